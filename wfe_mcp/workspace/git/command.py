"""Runs git with the hooks and programs of the repository's configuration disabled.

Rules:
1. No hook, fsmonitor, signing program, pager, transport or lazy fetch runs; our ``-c`` beats the repository's file.
2. Filters defined by the repository itself never run; those of the user's own configuration do (git-lfs).
3. No GIT_* variable of ours reaches git, and git takes no lock it can do without.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wfe_mcp.core.errors import Refused

__all__ = ["Repository", "quiet_filters", "repository", "require_repository", "run_git", "text_of"]

GIT_TIMEOUT_S = 120.0

_SAFE = tuple(
    word
    for setting in (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.untrackedCache=false",
        "core.splitIndex=false",  # a split index would be written beside the user's
        "core.sparseCheckout=false",  # else git refuses untracked files outside the cone
        "core.trustctime=true",  # a repository must not make git overlook a changed file
        "core.checkStat=default",
        "core.looseCompression=0",
        "core.fsync=none",  # what we write is thrown away
        "core.quotePath=false",
        "core.alternateRefsCommand=",
        "advice.addEmbeddedRepo=false",
        "commit.gpgsign=false",
        "log.showSignature=false",
        "protocol.allow=never",
        "gc.auto=0",
        "maintenance.auto=false",
    )
    for word in ("-c", setting)
)


@dataclass(frozen=True, slots=True)
class Repository:
    """The git side of a project root. ``prefix``: the root below ``top``, ``""`` or ending in a slash."""

    root: Path
    top: Path
    prefix: str
    common: Path
    index: Path
    objects: Path


def repository(root: Path) -> Repository | None:
    """The repository that holds ``root``; None without git, without a work tree, or where git ignores ``root``."""
    # One call, one line each: a path with a line break in it makes the count wrong, which reads as "no repository".
    asked = ("--show-toplevel", "--git-common-dir", "--git-path", "index", "--git-path", "objects", "--show-prefix")
    done = run_git(root, "rev-parse", *asked, ok=None)
    if done is None or done.returncode:
        return None
    lines = _names(done.stdout).removesuffix("\n").split("\n")
    if len(lines) != 5:
        return None
    top, common, index, objects, prefix = lines
    top_path = Path(top)
    if not root.resolve().is_relative_to(top_path.resolve()):
        return None  # core.worktree points elsewhere
    if prefix and _answers(root, "check-ignore", "-q", "."):
        return None
    return Repository(root, top_path, prefix, (root / common).resolve(), root / index, (root / objects).resolve())


def require_repository(root: Path) -> Repository:
    """The repository of ``root``. Refuses where there is none."""
    found = repository(root)
    if found is None:
        raise Refused(
            "unavailable",
            f"'{root}' is not in a git work tree, or git is not installed.",
            "Run `git init` there (or install git), or use a template without git gates.",
        )
    return found


def run_git(
    root: Path,
    *arguments: str,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    ok: Sequence[int] | None = (0,),
) -> subprocess.CompletedProcess[bytes] | None:
    """Run git in ``root``. None when git is not installed. Refuses exit codes outside ``ok`` (None: takes any)."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "--no-pager", *_SAFE, "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, env=_environment(env), timeout=GIT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise Refused(
            "unavailable",
            f"git {_asked(arguments)} did not end within {GIT_TIMEOUT_S:.0f} s in '{root}'.",
            "Is the folder very large or on a slow disk? Ignore large folders in .gitignore, then try again.",
        ) from exc
    if ok is not None and done.returncode not in ok:
        reason = done.stderr.decode(errors="replace").strip()[-500:]
        raise Refused(
            "unavailable",
            f"git {_asked(arguments)} failed in '{root}' (exit {done.returncode}): {reason}",
            "Mend the repository (`git status` shows the same problem), then try again.",
        )
    return done


def text_of(done: subprocess.CompletedProcess[bytes] | None) -> str:
    """The output without its last line break."""
    return _names(done.stdout).rstrip("\n") if done else ""


def quiet_filters(root: Path) -> dict[str, str]:
    """Variables that switch off every filter which the repository's own configuration defines or overrides."""
    done = run_git(root, "config", "--show-scope", "-z", "--get-regexp", r"^filter\..*\.", ok=None)
    words = _names(done.stdout).split("\0") if done else []
    theirs: dict[str, str] = {}
    ours: dict[str, str] = {}
    for scope, entry in zip(words[0::2], words[1::2], strict=False):
        key, _, value = entry.partition("\n")
        (theirs if scope in {"system", "global"} else ours)[key] = value
    settings: list[tuple[str, str]] = []
    for key in ours:
        # Only keys that the repository sets: an empty `process` beside the person's `clean` would switch both off.
        settings.append((key, theirs.get(key, "")))
        if key not in theirs:
            settings.append((f"{key.rpartition('.')[0]}.required", "false"))
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _asked(arguments: Sequence[str]) -> str:
    """The name of the git command, behind its ``-c`` options."""
    begin = 0
    while arguments[begin] == "-c":
        begin += 2
    return arguments[begin]


def _answers(root: Path, *arguments: str) -> bool:
    done = run_git(root, *arguments, ok=None)
    return done is not None and done.returncode == 0


def _names(output: bytes) -> str:
    """Git's bytes as text that goes back to the same file names."""
    return os.fsdecode(output)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("GIT_")}
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    return kept | quiet | dict(more or {})
