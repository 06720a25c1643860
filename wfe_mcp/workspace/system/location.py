"""The locations of the project and of its state."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.paths import expanded_path
from wfe_mcp.workspace.git.command import Repository, git_program, repository
from wfe_mcp.workspace.system.shell_words import shell_word


@dataclass(frozen=True, slots=True)
class Project:
    """One project directory. ``key``: its identity over all worktrees, the git common directory (else the root).

    ``worktree``: the folder that phases with command gates lease, the top of the work tree (else the root).
    ``is_git``: False also for a repository without git installed; key and worktree stay the same then.
    """

    root: Path
    key: str
    worktree: str
    is_git: bool


def data_dir() -> Path:
    """The platform's folder for this user's data; it need not exist yet."""
    import platformdirs  # 15 ms: not loaded before tools/list

    return _local_of_windows() or Path(platformdirs.user_data_dir("wfe-mcp", appauthor=False))


def _local_of_windows() -> Path | None:
    """Both folders of Windows by its variable, which the client hook reads too; platformdirs asks the system for them."""
    local = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    return Path(local, "wfe-mcp") if local else None


def user_config_file() -> Path:
    """The user's own configuration; it need not exist."""
    return _config_file(*map(os.environ.get, _HOMES))


_HOMES = ("HOME", "XDG_CONFIG_HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
"""The variables that say where a user's files are."""


@lru_cache(8)  # a call that changes a run asks some five times
def _config_file(*_homes: str | None) -> Path:
    import platformdirs  # 15 ms: not loaded before tools/list

    folder = _local_of_windows() or platformdirs.user_config_dir("wfe-mcp", appauthor=False)
    return Path(folder, "config.toml")


def database_url(env: Mapping[str, str]) -> str:
    """``WFE_DATABASE_URL``, else one SQLite file in the data directory for all projects of the user."""
    return env.get("WFE_DATABASE_URL") or f"sqlite:///{(data_dir() / 'wfe.db').as_posix()}"


def find_project(flag: str | None, env: Mapping[str, str], roots: Sequence[str], cwd: Path | None) -> Project:
    """The project by ``--project``, ``WFE_PROJECT``, the client's first usable root, the git top level, the folder.

    ``roots``: paths or file URIs. ``cwd``: None where the working directory was removed. Refuses a named folder that does not
    exist, and ``unavailable`` without any; a missing client root is skipped, because no user typed it.
    """
    for source, named in (("--project", flag), ("WFE_PROJECT", env.get("WFE_PROJECT"))):
        if named:
            root = (cwd or Path()) / expanded_path(named)
            if not os.path.isdir(root):  # noqa: PTH112 - Path.is_dir raises where it may not look
                raise Refused(
                    "bad_argument",
                    f"{source} names '{named}', which is no folder.",
                    f"If the project was renamed or moved: wfe-mcp project move {shell_word(named)} NEW. "
                    f"Else give {source} an existing folder, or leave it out to use the current one.",
                )
            return project_at(root)
    for uri in roots:
        root = _path_of(uri)
        if root is not None and root.is_dir():
            return project_at(root)
    if cwd is None:
        raise folder_is_gone()
    repo = repository(cwd)
    by_hand = None if repo else _by_hand(cwd)
    if by_hand is not None and by_hand[0] != Path.home().resolve():
        return project_at(by_hand[0])
    # A home directory kept in git is not the project of every folder below it.
    if repo is None or repo.top.resolve() == Path.home().resolve():
        return project_at(cwd)
    return _project(repo.top, repo)


def folder_is_gone() -> Refused:
    """The refusal where the working directory was removed, such as the work tree of a run that was cleaned up."""
    hint = "Change to another folder, then run it again. A client can open one instead."
    return Refused("unavailable", "The current folder no longer exists.", hint)


def working_directory() -> Path | None:
    """The folder in which this process works. None where it was removed; then the process works in the root of the file system."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        os.chdir(os.sep)
        return None


def project_at(root: Path) -> Project:
    """The project whose root is exactly this folder."""
    return _project(root, repository(root))


def same_tree(project: Project, folder: str) -> bool:
    """True when ``folder`` is there and lies in the work tree of ``project``: the same files, not those of another worktree."""
    if folder == str(project.root):
        return True
    return Path(folder).is_dir() and project_at(Path(folder)).worktree == project.worktree


def is_named_by_repository(project: Project) -> bool:
    """True where the repository itself names the folder as one of its work trees.

    A ``.git`` file that came with a folder can point at any repository of this machine; only what git wrote into that
    repository says that the folder belongs to it.
    """
    entry, common = Path(project.worktree, ".git"), Path(project.key)
    if common in (entry, Path(project.worktree)):
        return True
    with suppress(OSError, UnicodeDecodeError):
        place = Path(project.worktree, entry.read_text(encoding="utf-8").partition("gitdir:")[2].strip()).resolve()
        if place.parent == common / "worktrees":
            return place.joinpath((place / "gitdir").read_text(encoding="utf-8").strip()).resolve() == entry.resolve()
    return False


def _project(root: Path, found: Repository | None) -> Project:
    real = _as_on_disk(root.resolve())
    if found is not None:
        project = Project(real, str(_as_on_disk(found.common)), str(_as_on_disk(found.top.resolve())), is_git=True)
    else:
        top, common = _by_hand(real) or (real, real)
        project = Project(real, str(common), str(top), is_git=False)
    for folder in (str(project.root), project.key, project.worktree):
        _refuse_unwritable(folder)
    return project


def _refuse_unwritable(folder: str) -> None:
    """Refuse a folder whose name is no UTF-8, which neither the database nor JSON can hold, or has control characters, such as a line
    break: git, commands and messages would take its parts for lines of their own.
    """
    if any(character < " " or character == "\x7f" for character in folder):
        why = "has a line break or another control character, so no command and no message can name it."
        raise Refused("unavailable", f"The name of the folder {folder!a} {why}", "Rename it.")
    try:
        folder.encode()
    except UnicodeEncodeError:
        raise Refused(
            "unavailable",
            f"The name of the folder {folder!a} is not UTF-8, so nothing can be kept about it.",
            "Rename it.",
        ) from None


def _as_on_disk(path: Path) -> Path:
    """``path`` with the letters that its folders have: a disk that ignores case must not make two projects of one folder.

    Windows resolves them itself; other systems but macOS tell the letters apart.
    """
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):
            opened = os.open(path, os.O_RDONLY)
            try:
                path_bytes = fcntl.fcntl(opened, fcntl.F_GETPATH, bytes(1024))
            finally:
                os.close(opened)
            return Path(os.fsdecode(path_bytes.partition(b"\0")[0]))
    return path


def _by_hand(folder: Path) -> tuple[Path, Path] | None:
    """Top of the work tree and common directory, read without git, so that runs are found when git is missing."""
    if git_program(folder) is not None:
        return None
    real = folder.resolve()
    for top in (real, *real.parents):
        entry = top / ".git"
        with suppress(OSError, UnicodeDecodeError):
            if entry.is_file():  # in a worktree or submodule, this file names the repository
                entry = (top / entry.read_text(encoding="utf-8").partition("gitdir:")[2].strip()).resolve()
            if (entry / "commondir").is_file():
                entry = (entry / (entry / "commondir").read_text(encoding="utf-8").strip()).resolve()
            if (entry / "HEAD").is_file():
                return top, entry
    return None


def _path_of(root: str) -> Path | None:
    """``file:///home/a%20b`` or a plain path; None for another scheme, a relative path or no address."""
    try:
        parts = urlsplit(root)
    except ValueError:  # a bracket without its other half
        return None
    if parts.scheme == "file":
        named = unquote(parts.path)
        root = named if parts.netloc in {"", "localhost"} else f"//{parts.netloc}{named}"
        if os.name == "nt" and root[:1] == "/" and root[2:3] == ":":  # VS Code and Cursor write the colon as %3A
            root = root[1:]
    path = Path(root)
    return path if path.is_absolute() else None
