"""Temporary folders, named by the process that made them: the next start removes those of killed processes, and no others."""

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.workspace.system.process import ProcessIdentity, is_alive, this_process

_NAME = re.compile(r"wfe-[a-z]+-(?P<host>[0-9a-f]{8})-(?P<pid>\d{1,10})-(?P<start>\d{1,14})-\w+")
_COPY_OF_INDEX = re.compile(r"wfe-index-\w+")
_ONE_CALL_S = 600
"""Such a copy is used by one call of git, which ends sooner: an older one is of a killed process."""
_FORGOTTEN_S = 7 * 86_400
"""A folder of another host is removed at this age: whether its process lives is unknown here."""


def new_folder(kind: str, within: Path | None = None) -> Path:
    """A new folder ``wfe-<kind>-…``, readable by this user only. ``within``: instead of the temporary folder."""
    me = this_process()
    stem = f"wfe-{kind}-{_short(me.host)}-{me.pid}-{round(me.started_at * 1000)}-"
    return Path(tempfile.mkdtemp(prefix=stem, dir=_place(within)))


@contextlib.contextmanager
def temporary_folder(kind: str) -> Generator[Path]:
    """Such a folder, removed at the end of the block."""
    path = new_folder(kind)
    try:
        yield path
    finally:
        remove_folder(path)


def remove_abandoned(within: Path | None = None) -> list[Path]:
    """Remove the folders of processes that are gone; the removed ones."""
    removed: list[Path] = []
    with contextlib.suppress(OSError), os.scandir(_place(within)) as entries:
        for entry in entries:
            if entry.name.startswith("wfe-") and entry.is_dir(follow_symlinks=False) and _is_abandoned(entry):
                remove_folder(Path(entry.path))
                removed.append(Path(entry.path))
    return removed


def is_left_behind(name: str) -> bool:
    """Whether a process of this host made ``name``, of a folder or a container, and is gone."""
    match = _NAME.fullmatch(name)
    if match is None or match["host"] != _short((me := this_process()).host):
        return False
    return not is_alive(ProcessIdentity(me.host, int(match["pid"]), int(match["start"]) / 1000))


def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it, read-only folders too; what belongs to others stays."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # some package caches are read-only; Windows keeps a file that is, such as each object of git
        for place, folders, names in os.walk(folder):
            folders[:] = [inner_name for inner_name in folders if not _is_junction(Path(place, inner_name))]
            for path in (Path(place), *(Path(place, name) for name in names if os.name == "nt")):
                with contextlib.suppress(OSError):
                    if not path.is_symlink():
                        path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _is_junction(folder: Path) -> bool:
    """Whether a folder of Windows leads to another one; ``os.walk`` enters it before Python 3.12."""
    return bool(getattr(folder.lstat(), "st_reparse_tag", 0))


def _is_abandoned(entry: "os.DirEntry[str]") -> bool:
    name = _NAME.fullmatch(entry.name)
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    user: Callable[[], int] | None = getattr(os, "getuid", None)
    if user is not None and facts.st_uid != user():
        return False
    age_s = time.time() - facts.st_mtime
    if name is None:
        return _COPY_OF_INDEX.fullmatch(entry.name) is not None and age_s > _ONE_CALL_S
    if name["host"] != _short(this_process().host):
        return age_s > _FORGOTTEN_S
    return is_left_behind(entry.name)


def _place(within: Path | None) -> Path:
    return (Path(tempfile.gettempdir()) if within is None else within).resolve()


def _short(host: str) -> str:
    return sha256_hex(host.encode())[:8]
