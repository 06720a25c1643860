"""A folder of its own for an agent that answers a question: nothing in it was written by those whom it judges.

    wfe-review-…/
      review/   its working folder, empty
      home/     HOME and the folder of its configuration: its login and our settings, nothing else
      tmp/      TMPDIR

Rules:
1. Everything to judge is in the prompt, fenced as data; an agent gets what a model over HTTP gets, and no tools.
2. A login is a link to the user's own file: no copy of it survives a crash. Where links are not possible it is a copy.
3. A login that the agent renewed goes back to the user's file, unless that changed meanwhile: the old one may be void.
4. Settings of the machine's administrator (``/etc/…``) still apply: an agent of the user cannot write them.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.providers.agents.agent import Isolation
from wfe_mcp.workspace.files.programs import TEMPORARY
from wfe_mcp.workspace.files.project_files import replace_file
from wfe_mcp.workspace.system.temporary import new_folder, remove_folder

_HOMES: Mapping[str, str] = {
    "HOME": "",
    "USERPROFILE": "",
    "APPDATA": "AppData/Roaming",
    "LOCALAPPDATA": "AppData/Local",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_CACHE_HOME": ".cache",
    "XDG_STATE_HOME": ".local/state",
}
"""Variables that lead to a user's settings → where they lead in the new home folder."""
_LEFT_OUT = ("XDG_RUNTIME_DIR", "XDG_CONFIG_DIRS", "XDG_DATA_DIRS")


@dataclass(frozen=True, slots=True)
class ReviewFolder:
    """Where an agent answers. ``work``: its working folder; ``config``: that of its configuration."""

    work: Path
    config: Path
    env: dict[str, str]


@contextmanager
def review_folder(isolation: Isolation, env: Mapping[str, str]) -> Generator[ReviewFolder]:
    """The folder, until the end of the block. ``env``: what the agent would get in the user's own home."""
    base = new_folder("review")
    try:
        work, home, temporary = base / "review", base / "home", base / "tmp"
        for folder in (work, home, temporary):
            folder.mkdir()
        users_home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
        users = Path(env.get(isolation.variable) or users_home / isolation.default) / isolation.below
        config = home / isolation.default / isolation.below
        for path, text in isolation.files(users, env).items():
            _write(base / path, text)
        lent = [_lend(users / name, config / name) for name in isolation.logins]
        for variable, path in isolation.accounts:
            if env.get(variable):
                _lend(users_home / path, home / path)
        try:
            yield ReviewFolder(work, config, _environment(isolation, env, home, temporary))
        finally:  # an agent renews its login at its start, and may fail after that
            for login in lent:
                _give_back(login)
    finally:
        remove_folder(base)


@dataclass(frozen=True, slots=True)
class _Lent:
    """A login: the user's file, the agent's, and its content at the start; None: there is none."""

    original: Path
    path: Path
    content: bytes | None


def _environment(isolation: Isolation, env: Mapping[str, str], home: Path, temporary: Path) -> dict[str, str]:
    kept = {name: value for name, value in env.items() if name not in _LEFT_OUT}
    homes = {name: str(home / path) for name, path in _HOMES.items() if name in env or name == "HOME"}
    return (
        kept
        | homes
        | {name: str(temporary) for name in TEMPORARY}
        | dict(isolation.environment)
        | {isolation.variable: str(home / isolation.default)}
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _lend(original: Path, path: Path) -> _Lent:
    """Make the user's file or folder readable at ``path``, where there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = original.read_bytes() if original.is_file() else None
    if original.exists():
        try:
            path.symlink_to(original.resolve(), target_is_directory=original.is_dir())
        except OSError:  # Windows, without the right to make links
            (shutil.copytree if original.is_dir() else shutil.copy2)(original, path)
    return _Lent(original, path, content)


def _give_back(login: _Lent) -> None:
    """Store a login that the agent renewed in a new file. One that it wrote through the link is there already."""
    if login.content is None or login.path.is_symlink() or not login.path.is_file():
        return
    renewed = login.path.read_bytes()
    with suppress(OSError):  # the user's file is gone or cannot be written: they log in again
        if renewed and renewed != login.content and login.original.read_bytes() == login.content:
            replace_file(login.original.resolve(), renewed)
