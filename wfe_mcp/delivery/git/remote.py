"""The remote of a repository: what it has, fetch, and push by an explicit refspec.

Git runs in a folder of its own that shares the repository's objects, so that nothing in the repository's configuration
takes part: no hook, helper, proxy, rewritten address or program that an agent could have written there. The user's own
configuration does (keys, helpers, proxies).
"""

import os
import re
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.delivery.fault import RETRY, Blocker, DeliveryFault
from wfe_mcp.delivery.git.refs import commit_of as here, ref_of
from wfe_mcp.workspace.files.programs import path_outside
from wfe_mcp.workspace.git.command import require_repository, run_git, setting, text_of
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.system.temporary import temporary_folder

_PROTOCOLS = ("file", "https", "http", "ssh", "git")
"""Never ``ext``: its address is a command."""
_CREDENTIALS = re.compile(
    r"authentication failed|could not read (username|password)|permission denied|terminal prompts|\b40[13]\b",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"does not appear to be a git repository|not found|does not exist|could not resolve|unable to access|no such",
    re.IGNORECASE,
)
_PROTECTED = re.compile(r"protected|hook declined|denied|prohibited|GH006|GH013|not allowed", re.IGNORECASE)
_ASKPASS = """#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$WFE_GIT_USER" ;;
*) printf '%s\\n' "$WFE_GIT_SECRET" ;;
esac
"""


class Remote(NamedTuple):
    """A remote. ``secret``: the credential for it; empty: the user's own way to log in."""

    root: Path
    name: str
    url: str
    secret: str = ""
    user: str = "x-access-token"

    @property
    def shown(self) -> str:
        """Its address without a user and a password."""
        return re.sub(r"//[^/@]*@", "//", self.url)

    @property
    def place(self) -> str:
        """Its address for git, which runs in another folder: a path (no colon, or a slash before it) begins at the repository's top."""
        before, colon, _ = self.url.partition(":")
        is_path = not colon or "/" in before
        return str(require_repository(self.root).top / self.url) if is_path else self.url


def url_of(root: Path, name: str) -> str:
    """The address that the repository's configuration has for the remote ``name``; empty where there is none."""
    return setting(root, f"remote.{name}.url", "") if name else ""


def why_elsewhere(root: Path, name: str, address: str) -> str:
    """Why nothing is sent to the remote ``name``: it is not at ``address``, however both are written; empty where it is."""
    url = url_of(root, name)
    if not url or not address or _place_of(root, url) == _place_of(root, address):
        return ""
    where = f"The remote '{name}' is {url}, and [delivery] address is {address}"
    return f"{where}: nothing is sent to another place. Set it back: git remote set-url {name} {address}"


def _place_of(root: Path, url: str) -> str:
    place = Remote(root, "", url.removeprefix("file://") if url.startswith("file:///") else url).place
    return os.path.normpath(place) if os.path.isabs(place) else place.rstrip("/")  # noqa: PTH117 - a text, which may be an address


def base_at(root: Path, name: str) -> str:
    """The branch that HEAD of the remote ``name`` was at when it was cloned; empty where that is not known here."""
    place = f"refs/remotes/{name}/"
    known = text_of(run_git(root, "symbolic-ref", "-q", f"{place}HEAD", ok=None)) if name else ""
    return known.removeprefix(place)


def tip_known(root: Path, name: str, branch: str) -> str:
    """The commit of ``branch`` at the remote ``name`` as it was fetched last, else here; empty where neither has one."""
    places = (f"refs/remotes/{name}/{branch}", ref_of(branch))
    return next(filter(None, (here(root, place) for place in places)), "")


def commits_at(remote: Remote, *names: str) -> list[str]:
    """The commit of each branch there; empty where it does not exist. Raises DeliveryFault.

    A name that begins with ``refs/`` is that of a ref, here and in ``fetch``.
    """
    wanted = [_full(name) for name in names]
    with _apart(remote) as apart:
        done = apart.git("ls-remote", "--end-of-options", remote.place, *wanted)
    if done.returncode:
        raise _fault(remote, "cannot be read", done.stderr)
    sha_by_ref = {ref: sha for sha, _, ref in (line.partition("\t") for line in text_of(done).split("\n"))}
    return [sha_by_ref.get(wanted_name, "") for wanted_name in wanted]


def commit_at(remote: Remote, branch: str) -> str:
    """The same of one branch."""
    return commits_at(remote, branch)[0]


def _full(branch: str) -> str:
    return branch if branch.startswith("refs/") else ref_of(branch)


def fetch(remote: Remote, branch: str, there: str | None = None) -> str:
    """Bring the commits of ``branch`` here, and point ``refs/remotes/`` to them; the commit. Empty: it does not exist there.

    ``there``: that commit, where it was asked for already.
    """
    there = commit_at(remote, branch) if there is None else there
    if not there:
        return ""
    tracking = f"refs/remotes/{remote.name}/{branch.removeprefix('refs/')}"
    if here(remote.root, tracking) == there:
        return there
    with _apart(remote) as apart:
        done = apart.git(
            "fetch", "--no-tags", "--no-write-fetch-head", "-q", "--end-of-options", remote.place, _full(branch)
        )
    if done.returncode:
        raise _fault(remote, "cannot be fetched from", done.stderr)
    run_git(remote.root, "update-ref", "--no-deref", tracking, there)
    return there


def push(remote: Remote, refs: Mapping[str, str], expected: str | None = None) -> None:
    """Point each of ``refs`` there to its commit, all or none: a fast-forward, or a new ref. An empty commit deletes it.

    ``expected``: what the only one of them has there. Raises DeliveryFault: ``credentials``, ``protected``, ``conflict``,
    ``no_remote``.
    """
    options = ("--atomic",) if len(refs) > 1 else ()
    options += () if expected is None else tuple(f"--force-with-lease={ref}:{expected}" for ref in refs)
    specs = [f"{commit}:{ref}" for ref, commit in refs.items()]
    with _apart(remote) as apart:
        done = apart.git("push", "--porcelain", "--no-verify", *options, "--end-of-options", remote.place, *specs)
    if not done.returncode:
        return
    if len(refs) > 1 and b"does not support --atomic" in done.stderr:
        for ref, commit in refs.items():
            push(remote, {ref: commit})
        return
    flagged = [line for line in text_of(done).split("\n") if line.startswith("!")]
    # Those that are only refused with another one are named after it, and what proves a branch after the branch.
    flagged.sort(key=lambda line: ("atomic" in line, ":refs/heads/" not in line))
    git_word = " ".join(flagged[0].split("\t")[-1].split()) if flagged else ""
    branch = flagged[0].split("\t")[1].rpartition(":")[2].removeprefix("refs/heads/") if flagged else ""
    if git_word.startswith("[rejected]"):
        raise DeliveryFault(
            f"Nothing was pushed: '{branch}' on {remote.name} ({remote.shown}) has commits that are not here: {git_word}. "
            f"See them with git fetch {remote.name} {branch}, bring them into the change, have it approved, then {RETRY}.",
            "conflict",
        )
    if git_word.startswith("[remote rejected]"):
        output = _said_there(remote, done.stderr)
        change = "Have the rule of the branch changed"
        if expected is None:  # else it removes, or sets back, what was pushed before
            change = "Deliver through a pull request ([delivery] mode), or have the rule of the branch changed"
        raise DeliveryFault(
            f"Nothing was pushed: {remote.name} ({remote.shown}) does not take '{branch}': {git_word}. "
            f"{output}{change}, then {RETRY}.",
            "protected" if _PROTECTED.search(git_word + output) else "conflict",
        )
    raise _fault(remote, "cannot be pushed to", done.stderr)


def may_push(remote: Remote) -> bool:
    """Whether a push to the remote would be let in. Nothing is sent: a new branch is proposed and not made."""
    commit = head(remote.root)
    if commit is None:
        return False
    with _apart(remote) as apart:
        probe = f"{commit}:{ref_of('wfe-mcp-doctor')}"
        done = apart.git("push", "--dry-run", "--porcelain", "--no-verify", "--end-of-options", remote.place, probe)
    return done.returncode == 0


class _Apart(NamedTuple):
    """Git in a folder without the repository's configuration."""

    root: Path
    folder: Path
    env: dict[str, str]
    options: tuple[str, ...]

    def git(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        done = run_git(self.root, "-C", str(self.folder), *self.options, *words, env=self.env, ok=None)
        if done is None:
            raise DeliveryFault(
                f"git is not installed, or not on the PATH. Install git, then {RETRY}.", "configuration"
            )
        return done


@contextmanager
def _apart(remote: Remote) -> Generator[_Apart]:
    repo = require_repository(remote.root)
    with temporary_folder("remote") as folder:
        (folder / "refs").mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="utf-8", newline="\n")
        form = "\trepositoryformatversion = 0\n\tbare = true\n"
        if repo.hash_name == "sha256":
            form = "\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = sha256\n"
        (folder / "config").write_text(f"[core]\n{form}", encoding="utf-8", newline="\n")
        env = {"GIT_DIR": str(folder), "GIT_OBJECT_DIRECTORY": str(repo.objects)}
        # What git starts itself, such as ssh, sees the credential, and is never a program of the project either.
        env["PATH"] = path_outside(repo.top, os.environ.get("PATH", os.defpath))
        if (shallow := repo.common / "shallow").is_file():
            env["GIT_SHALLOW_FILE"] = str(shallow)
        options = [word for protocol in _PROTOCOLS for word in ("-c", f"protocol.{protocol}.allow=always")]
        options += ["-c", "core.fsync=loose-object,pack,pack-metadata"]
        if remote.secret:
            place = folder / "askpass"
            place.write_text(_ASKPASS, encoding="utf-8", newline="\n")  # a shell reads it, on Windows too
            place.chmod(0o700)
            options += ["-c", "credential.helper="]
            env |= {"GIT_ASKPASS": str(place), "WFE_GIT_USER": remote.user, "WFE_GIT_SECRET": remote.secret}
        else:
            env |= {"GIT_ASKPASS": "", "SSH_ASKPASS": os.environ.get("SSH_ASKPASS", "")}
        yield _Apart(remote.root, folder, env, tuple(options))


def _fault(remote: Remote, cannot: str, stderr: bytes) -> DeliveryFault:
    output = _output(remote, stderr)
    blocker: Blocker = "forge"
    remedy = f"See that {remote.shown} answers: git ls-remote {remote.name}"
    if _CREDENTIALS.search(output):
        blocker, remedy = "credentials", "Log in there with git, or name a stored credential in [delivery] credential"
    elif _MISSING.search(output):
        blocker, remedy = "no_remote", f"Correct its address: git remote set-url {remote.name} ADDRESS"
    return DeliveryFault(f"{remote.name} ({remote.shown}) {cannot}: {output}. {remedy}; then {RETRY}.", blocker)


def _said_there(remote: Remote, stderr: bytes) -> str:
    """What the remote itself said, as a sentence: what git adds says only that the push failed."""
    lines = [line for line in stderr.splitlines() if line.startswith(b"remote:") and line != b"remote:"]
    text = _output(remote, b"\n".join(lines))
    return f"{text.rstrip('.')}. " if text else ""


def _output(remote: Remote, stderr: bytes) -> str:
    """The end of what git printed, in one line: where a reason has one, the next step after it would be lost."""
    line = " ".join(stderr.decode(errors="replace").split())
    return (line.replace(remote.secret, "…") if remote.secret else line)[-300:]
