# ruff: noqa: PTH113, PTH118, PTH120 - called for each file and at each step: a Path for each takes longer than the rest
"""Runs git so that a repository cannot make it execute anything, and finds the repository of a folder.

Rules:
1. No hook, fsmonitor, signing program, pager, transport or lazy fetch runs; our ``-c`` options override the repository's file.
2. Filters defined by the repository itself never run; those of the user's own configuration do (git-lfs).
3. No inherited GIT_* variable reaches git, and git takes no optional lock.
4. Objects and history are read as they are stored: no replace ref, graft or commit-graph file changes them.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.disk import bytes_of, refuse_pipes
from wfe_mcp.workspace.files.programs import outside

GIT_TIMEOUT_S = 120.0
_READ_BY_GIT = (
    *("HEAD", "commondir", "config", "config.worktree", "index", "packed-refs", "shallow"),
    *("info/attributes", "info/exclude", "info/grafts", "objects/info/alternates"),
)

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
        "core.fsync=none",  # objects written by these calls are temporary
        "core.quotePath=false",
        "core.commitGraph=false",  # a file that says who the parents of a commit are
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
    """The git side of a project root."""

    root: Path
    top: Path
    prefix: str
    """The root below ``top``; ``""`` or ending in a slash."""
    common: Path
    """The git directory of all worktrees."""
    index: Path
    objects: Path
    hash_name: str = "sha1"
    """``sha1`` or ``sha256``."""
    is_shared: bool = False
    """Files in it need permissions that only git sets."""


_FOUND: dict[Path, tuple[bytes, Repository]] = {}


def repository(root: Path) -> Repository | None:
    """The repository that holds ``root``; None without git, without a work tree, or where git ignores ``root``.

    Cached until one of the files changes that git's answer depends on; "none" is never cached.
    """
    if git_program(root) is None or not root.is_dir():
        return None
    depends_on = _depends_on(root)
    known = _FOUND.get(root)
    if known is not None and known[0] == depends_on:
        return known[1]
    if depends_on is None and not _could_be_found(root):
        return None
    repo = _repository(root)
    if repo is not None and depends_on is not None:
        _FOUND[root] = depends_on, repo
    return repo


_PROGRAMS: dict[tuple[str, Path], str] = {}


def git_program(root: Path) -> str | None:
    """The path of git, which is never a program of the project ``root``; None where there is none.

    Remembered while the file exists: a search looks into each folder of PATH, some twenty times for each submission.
    """
    path = os.environ.get("PATH", os.defpath)
    program = _PROGRAMS.get((path, root))
    if program is None or not os.access(program, os.X_OK):
        program = outside("git", _top(root), path)
        if program is not None:
            _PROGRAMS[path, root] = program
    return program


def _top(root: Path) -> Path:
    """The nearest folder with ``.git``, from ``root`` upwards; else ``root``."""
    return next((Path(folder) for folder in _upwards(root) if os.path.lexists(f"{folder}{os.sep}.git")), root)


def _could_be_found(root: Path) -> bool:
    """False where git is certain to find no repository: no folder above has ``.git``, and none is a repository itself.

    Every command outside a repository would otherwise start git in vain, 5 ms each.
    """
    return any(os.path.lexists(f"{folder}{os.sep}{name}") for folder in _upwards(root) for name in (".git", "HEAD"))


def _upwards(root: Path) -> list[str]:
    """The real path of ``root`` and those of the folders above it. Texts: making a ``Path`` of each takes most of the time."""
    folders = [os.path.realpath(root)]
    while (above := os.path.dirname(folders[-1])) != folders[-1]:
        folders.append(above)
    return folders


def _repository(root: Path) -> Repository | None:
    # One call, one line each: a path with a line break makes the count wrong, which means "no repository".
    asked = (
        "--show-toplevel",
        "--git-common-dir",
        "--git-path",
        "index",
        "--git-path",
        "objects",
        "--show-object-format",
        "--show-prefix",
    )
    done = run_git(root, "rev-parse", *asked, ok=None)
    if done is None or done.returncode:
        return None
    lines = decode_output(done.stdout).removesuffix("\n").split("\n")
    if len(lines) != 6:
        return None
    top, common, index, objects, hash_name, prefix = lines
    top_path = Path(top)
    if not root.resolve().is_relative_to(top_path.resolve()):
        return None  # core.worktree points elsewhere
    if prefix and _answers(root, "check-ignore", "-q", "."):
        return None
    common_path = (root / common).resolve()
    is_shared = b"sharedrepository" in bytes_of(common_path / "config").lower()
    return Repository(
        root, top_path, prefix, common_path, root / index, (root / objects).resolve(), hash_name, is_shared
    )


def _depends_on(root: Path) -> bytes | None:
    """The bytes of all files that determine the result of ``repository``; None where only git knows it."""
    folders = _upwards(root)
    at = next((at for at, place in enumerate(folders) if os.path.lexists(f"{place}{os.sep}.git")), None)
    if at is None:
        return None
    top = folders[at]
    git = f"{top}{os.sep}.git"
    parts = [os.fsencode(git)]
    if os.path.isfile(git):  # in a worktree or submodule, this file names the git directory
        parts.append(bytes_of(git))
        git = os.path.join(top, os.fsdecode(parts[-1].removeprefix(b"gitdir:").strip()))
    parts.append(bytes_of(f"{git}{os.sep}commondir"))
    common = os.path.join(git, os.fsdecode(parts[-1].strip())) if parts[-1] else git
    for folder in {git, common}:
        refuse_pipes(folder, _READ_BY_GIT)
    there = [
        os.path.lexists(f"{place}{os.sep}{name}")
        for place, name in ((git, "HEAD"), (common, "objects"), (common, "refs"))
    ]
    parts += [bytes_of(f"{common}{os.sep}config"), bytes_of(f"{git}{os.sep}config.worktree")]
    if not all(there) or not parts[-2]:
        return None
    if at:  # whether the repository ignores the root
        above = [f"{folder}{os.sep}.gitignore" for folder in folders[1 : at + 1]]
        users = [bytes_of(place) for place in user_files("config")]
        if any(
            b"excludesfile" in content.lower() or b"include" in content.lower() for content in (*users, *parts[-2:])
        ):
            return None
        exclude = os.path.join(common, "info", "exclude")
        parts += [*users, *map(bytes_of, (*above, exclude, *user_files("ignore")))]
    return b"\0".join(b"%d:%s" % (len(part), part) for part in parts)


def user_files(name: str) -> list[str]:
    """The places where git looks for a user's configuration file: ``config`` or ``ignore``."""
    home = os.environ.get("HOME") or str(Path.home())
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return [os.path.join(folder, "git", name), *([os.path.join(home, ".gitconfig")] if name == "config" else [])]


def require_repository(root: Path) -> Repository:
    """The repository of ``root``. Refuses where there is none."""
    repo = repository(root)
    if repo is None:
        raise Refused(
            "unavailable",
            f"'{root}' is not in a git work tree, or git is not installed.",
            "Run `git init` there, or install git.",
        )
    return repo


def run_git(
    root: Path,
    *arguments: str,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    ok: Sequence[int] | None = (0,),
) -> subprocess.CompletedProcess[bytes] | None:
    """Run git in ``root``. None when git is not installed. Refuses exit codes outside ``ok`` (None: takes any)."""
    if (git := git_program(root)) is None:
        return None
    command = [git, "--no-pager", *_SAFE, "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, env=_environment(env), timeout=GIT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise Refused(
            "unavailable",
            f"git {_subcommand(arguments)} did not end within {GIT_TIMEOUT_S:.0f} s in '{root}'.",
            "Is the folder very large or on a slow disk? Ignore large folders in .gitignore, then try again.",
        ) from exc
    # Its advice about a lock: where the end of a text is shown, that would be it, without the name of the file.
    done.stderr = done.stderr.partition(b"\n\nAnother git process")[0]
    if ok is not None and done.returncode not in ok:
        reason = done.stderr.decode(errors="replace").strip()[-500:]
        hint = "Repair the repository (`git status` shows the same problem)"
        hint = "Where no git is running, remove that file" if b".lock': File exists" in done.stderr else hint
        failed = f"git {_subcommand(arguments)} failed in '{root}' (exit {done.returncode}): {reason}"
        raise Refused("unavailable", failed, f"{hint}, then try again.")
    return done


def run_git_between(
    root: Path,
    *arguments: str,
    given: IO[bytes],
    answer: IO[bytes],
    timeout_s: float,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run git in ``root`` from one open file to another. Refuses ``unavailable`` without git, and after ``timeout_s``."""
    git = git_program(root)
    if git is None:
        raise Refused("unavailable", "git is not installed, or not on the PATH.", "Install git, then try again.")
    command = [git, "--no-pager", *_SAFE, "-C", str(root), *arguments]
    try:
        return subprocess.run(
            command,
            stdin=given,
            stdout=answer,
            stderr=subprocess.PIPE,
            env=_environment(env),
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise Refused(
            "unavailable", f"git {_subcommand(arguments)} did not end within {timeout_s:.0f} s.", "Send less at once."
        ) from exc


def authorities() -> dict[str, str]:
    """The variables that name git's certificate authorities; where there are none, those of Python's."""
    pairs = (("GIT_SSL_CAINFO", "SSL_CERT_FILE"), ("GIT_SSL_CAPATH", "SSL_CERT_DIR"))
    values = {name: os.environ.get(name) or os.environ.get(other) for name, other in pairs}
    return {name: value for name, value in values.items() if value}


def output_of(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """What git prints in ``root``. Refuses ``unavailable`` where it fails or is not installed."""
    done = run_git(root, *arguments, stdin=stdin)
    if done is None:
        raise Refused("unavailable", "git is not installed, or not on the PATH.", "Install git, then try again.")
    return done.stdout


def text_of(done: subprocess.CompletedProcess[bytes] | None) -> str:
    """The output without its trailing line break."""
    return decode_output(done.stdout).rstrip("\n") if done else ""


class Setting(NamedTuple):
    """One line of git's configuration. ``scope``: system, global, local or worktree."""

    scope: str
    key: str
    value: str


_SETTINGS: dict[Path, tuple[bytes, tuple[Setting, ...]]] = {}


def settings_of(root: Path, at: Path | None = None, *, repo: Repository | None = None) -> tuple[Setting, ...]:
    """Git's effective configuration in ``root``, highest precedence last; cached until one of its files changes.

    ``at``: in another folder, by the git of ``root``: no program of the project is taken for it. ``repo``: as just found.
    """
    folder = at or root
    repo = repo or repository(folder)
    places = [*user_files("config"), "/etc/gitconfig"]
    if repo is not None:
        places += [f"{repo.common}{os.sep}config", os.path.join(os.path.dirname(repo.index), "config.worktree")]
    bytes_now = b"\0".join(map(bytes_of, places))
    known = _SETTINGS.get(folder)
    if known is not None and known[0] == bytes_now:
        return known[1]
    done = run_git(root, "-C", str(folder), "config", "--show-scope", "-z", "--list", ok=None)
    words = decode_output(done.stdout).split("\0") if done else []
    entries = ((scope, *line.partition("\n")) for scope, line in zip(words[0::2], words[1::2], strict=False))
    settings = tuple(Setting(scope, key, value) for scope, key, _, value in entries if scope != "command")
    if repo is not None and not any(entry.key.startswith("include") for entry in settings):
        _SETTINGS[folder] = bytes_now, settings
    return settings


def setting(root: Path, key: str, default: str, *, repo: Repository | None = None) -> str:
    """The configured value of ``key`` (lower case)."""
    return next((entry.value for entry in reversed(settings_of(root, repo=repo)) if entry.key == key), default)


def is_set(root: Path, key: str, default: str, *, repo: Repository | None = None) -> bool:
    """The configured value of ``key`` as git parses a boolean; a key without a value is true."""
    return setting(root, key, default, repo=repo).lower() in {"", "true", "yes", "on", "1"}


def own_filters(root: Path) -> frozenset[str]:
    """The names of the filters that the repository's own configuration defines or overrides, which ``quiet_filters`` switches off."""
    keys = (entry.key for entry in settings_of(root) if entry.scope not in {"system", "global"})
    return frozenset(key.partition(".")[2].rpartition(".")[0] for key in keys if key.startswith("filter."))


def quiet_filters(root: Path, at: Path | None = None) -> dict[str, str]:
    """Variables that switch off every filter which the repository's own configuration defines or overrides.

    ``at``: as ``settings_of`` takes it.
    """
    theirs: dict[str, str] = {}
    ours: dict[str, str] = {}
    for scope, key, value in settings_of(root, at):
        if key.startswith("filter.") and key.count(".") > 1:
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


def _subcommand(arguments: Sequence[str]) -> str:
    """The name of the git command, after its ``-c`` and ``-C`` options."""
    begin = 0
    while arguments[begin] in {"-c", "-C"}:
        begin += 2
    return arguments[begin]


def _answers(root: Path, *arguments: str) -> bool:
    done = run_git(root, *arguments, ok=None)
    return done is not None and done.returncode == 0


def decode_output(output: bytes) -> str:
    """Git's bytes as text that encodes back to the same file names. On Windows those are UTF-8; what is none, as in an old message, is kept."""
    return output.decode("utf-8", "surrogateescape") if os.name == "nt" else os.fsdecode(output)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("GIT_")}
    quiet = {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": f"{os.devnull}/none",
    }
    return kept | quiet | dict(more or {})
