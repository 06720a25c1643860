"""Commits carried to a server and back: by git over HTTP, between the objects of a repository and the refs of a token.

Rules:
1. Nothing of the repository but its objects takes part: git runs in a git directory of our own beside them, with a configuration of
   our own. So no hook runs, no LFS is asked, and no ``insteadOf`` of the repository or the user sends the token elsewhere.
2. The token is in the environment of git, never among its words.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from wfe_mcp.core.bridge import LARGER_REQUESTS
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.command import Repository, authorities, require_repository, run_git
from wfe_mcp.workspace.git.own_refs import release_locks

_OVER_HTTP = (
    *("-c", "protocol.http.allow=always", "-c", "protocol.https.allow=always"),
    *("-c", "http.followRedirects=false", "-c", "fetch.fsckObjects=true", "-c", "transfer.fsckObjects=true"),
    *("-c", "protocol.version=0", "-c", "push.gpgSign=false"),
)


def push(root: Path, url: str, token: str, commits: Mapping[str, str]) -> None:
    """Send each commit to its ref, the newest snapshot first.

    Refuses ``unavailable``, with the reason that git names, and ``too_large`` where a proxy takes no request of the size.
    """
    words = (*_options(url), "push", "--quiet", "--no-verify", "--recurse-submodules=no", url)
    env = _environment(require_repository(root), token)
    _run(root, (*words, *(f"{commit}:{ref}" for commit, ref in commits.items())), env)
    release_locks(Path(env["GIT_DIR"]), ["refs/sent/last"])
    # What the server has need not come back.
    run_git(root, "update-ref", "refs/sent/last", next(iter(commits)), env=env)


def fetch(root: Path, url: str, token: str, refs: Sequence[str]) -> None:
    """Get the commits of these refs. Refuses ``unavailable``, with the reason that git names."""
    words = (*_options(url), "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", url)
    _run(root, (*words, *refs), _environment(require_repository(root), token))


def _options(url: str) -> tuple[str, ...]:
    """Without TLS the server is this machine, and a proxy of the environment would read the token."""
    return (*_OVER_HTTP, "-c", "http.proxy=") if url.startswith("http:") else _OVER_HTTP


def _run(root: Path, words: Sequence[str], env: Mapping[str, str]) -> None:
    done = run_git(root, *words, env=env, ok=None)
    if done is None or done.returncode:
        reason = b"git is not installed" if done is None else done.stderr
        text = re.sub(r"\s+", " ", reason.decode(errors="replace")).strip()[-300:]
        if "error: 413" in text:
            raise Refused(
                "too_large", "A proxy before the server takes no request as large as these files.", LARGER_REQUESTS
            )
        raise Refused("unavailable", f"git could not carry the files: {text}", "Call again.")


def _environment(repo: Repository, token: str) -> dict[str, str]:
    return {
        "GIT_DIR": str(_own(repo)),
        "GIT_OBJECT_DIRECTORY": str(repo.objects),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ASKPASS": "",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {token}",
    } | authorities()


def _own(repo: Repository) -> Path:
    """The git directory of our own, whose configuration is written again each time."""
    place = repo.common / "wfe" / "bridge.git"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "objects").mkdir(exist_ok=True)
    other = "[extensions]\n\tobjectFormat = sha256\n" if repo.hash_name == "sha256" else ""
    version = 1 if other else 0
    (place / "config").write_text(
        f"[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n{other}", encoding="ascii", newline="\n"
    )
    (place / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii", newline="\n")
    shallow = repo.common / "shallow"
    (place / "shallow").unlink(missing_ok=True)
    if shallow.is_file():
        (place / "shallow").write_bytes(shallow.read_bytes())
    return place
