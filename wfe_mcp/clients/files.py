"""Writes the files of clients: whole or not at all, never over a change that came meanwhile, and with a way back.

1. What a file held before is kept, for its owner alone, in wfe-mcp's data folder before the file changes.
2. The record of a change is written before the change: after a crash, removal still finds both states.
3. A link is followed, so that settings kept elsewhere stay there; a link of a project must not lead out of it.
"""

import hashlib
import json
import os
import stat
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.project_files import replace_file

MAX_BYTES = 50_000_000
_RECORDS = "clients.json"
"""The records of an earlier version."""
_KEPT = "client-files"


@dataclass(frozen=True, slots=True)
class Change:
    """A file before and after; None: it is not there. ``what``: the thing that is added or removed."""

    file: Path
    what: str
    before: bytes | None
    after: bytes | None

    @property
    def differs(self) -> bool:
        """Whether anything changes."""
        return self.before != self.after


def content(file: Path, root: Path | None) -> bytes | None:
    """The bytes of a file; None without one. ``root``: the project that a file must not leave through a link.

    Refuses a file that cannot be read, is too large, or lies outside the project.
    """
    real = file.resolve()
    if root is not None and not real.is_relative_to(root.resolve()):
        raise Refused(
            "path_outside_project",
            f"{file} is a link that leads out of the project, to {real}",
            "Replace the link by a file, or use --scope user.",
        )
    try:
        if real.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if real.stat().st_size > MAX_BYTES:
            raise Refused("too_large", f"{file} holds more than {MAX_BYTES:,} bytes.", "Shorten it first.")
        return real.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused("unavailable", f"{file} cannot be read: {error.strerror}.", "Check its permissions.") from None


def refuse_read_only(file: Path) -> None:
    """Refuses a file that its owner may not write, or that is new in a folder where none may be created."""
    real = file.resolve()
    while not real.exists() and real.parent != real:
        real = real.parent
    # On Windows the mark of a folder says that it has an icon of its own, not that nothing can be written there.
    is_marked = not real.stat().st_mode & stat.S_IWUSR and (os.name != "nt" or real.is_file())
    if is_marked or not os.access(real, os.W_OK):
        raise Refused(
            "unavailable",
            f"{real} is read-only, so nothing was changed.",
            f"Make it writable, or add the entry yourself; to see it: wfe-mcp install --dry-run. File: {file}",
        )


class Records:
    """What install wrote on this machine: per file, its content before and the digest of its content after."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def before(self, file: Path, now: bytes) -> tuple[bytes | None] | None:
        """What ``file`` held before install, in a tuple, if it is still as install left it; else None."""
        record = self._record(file)
        return self.first(file) if record and record["after"] == _digest(now) else None

    def first(self, file: Path) -> tuple[bytes | None] | None:
        """What ``file`` held before install, in a tuple, whatever came since; None: there is no record, or no copy."""
        record = self._record(file)
        if not record:
            return None
        if record["before"] is None:
            return (None,)
        with suppress(OSError):
            kept = (self.folder / _KEPT / record["before"]).read_bytes()
            if _digest(kept) == record["before"]:
                return (kept,)
        return None

    def folders_made(self, file: Path) -> list[Path]:
        """The folders that install created for ``file``, innermost first."""
        record = self._record(file) or {}
        return [Path(folder) for folder in record.get("folders", ())]

    def keep(self, change: Change, original: bytes | None) -> Path | None:
        """Keep the ``original`` of a file that is about to change. The path of the copy; None for a new file."""
        path = None if original is None else self.folder / _KEPT / _digest(original)
        if path is not None and original is not None:
            _private_folder(path.parent)
            replace_file(path, original)
        after = b"" if change.after is None else change.after
        folders = [parent for parent in change.file.resolve().parents if not parent.exists()]
        self._store(
            change.file,
            {
                "before": None if path is None else path.name,
                "after": _digest(after),
                "folders": [str(folder) for folder in folders or self.folders_made(change.file)],
            },
        )
        return path

    def forget(self, file: Path) -> None:
        """Drop the record of a file; the copy stays."""
        self._store(file, None)

    def _record(self, file: Path) -> dict[str, Any] | None:
        name = str(file.resolve())
        for place in (self._place(name), self.folder / _RECORDS):
            with suppress(OSError, ValueError, LookupError, TypeError):
                return json.loads(place.read_bytes())[name]
        return None

    def _store(self, file: Path, record: dict[str, Any] | None) -> None:
        name = str(file.resolve())
        _private_folder(self.folder / _KEPT)
        replace_file(self._place(name), json.dumps({name: record}, indent=1).encode())

    def _place(self, name: str) -> Path:
        # Each in a file of its own: two installs at once would each write the records that it had read.
        return self.folder / _KEPT / f"{_digest(os.fsencode(name))}.json"


def write(change: Change, records: Records, original: bytes | None) -> Path | None:
    """Make one change that install plans. Where its original is kept; None for a new file. Refuses when it changed since."""
    _refuse_changed(change)
    path = records.keep(change, original)
    with _refusing(change.file):
        real = change.file.resolve()
        real.parent.mkdir(parents=True, exist_ok=True)
        replace_file(real, change.after or b"", stat.S_IMODE(real.stat().st_mode) if real.exists() else None)
    return path


def undo(change: Change, records: Records) -> list[Path]:
    """Make one change that uninstall plans. The folders that install created for the file, for ``remove_empty``."""
    _refuse_changed(change)
    paths = records.folders_made(change.file)
    with _refusing(change.file):
        real = change.file.resolve()
        if change.after is None:
            real.unlink()
        else:
            replace_file(real, change.after, stat.S_IMODE(real.stat().st_mode))
    records.forget(change.file)
    return paths


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove the folders that are empty, the innermost first."""
    for path in sorted(set(folders), key=lambda folder: len(folder.parts), reverse=True):
        with suppress(OSError):
            path.rmdir()


def _refuse_changed(change: Change) -> None:
    if content(change.file, None) != change.before:
        raise Refused(
            "conflict", f"{change.file} changed meanwhile, so it was left as it is.", "Run the command again."
        )


@contextmanager
def _refusing(file: Path) -> Generator[None]:
    """Turns faults of the system into refusals."""
    try:
        yield
    except OSError as error:
        raise Refused(
            "unavailable",
            f"{file} cannot be written: {error.strerror}. It is unchanged.",
            "Check its permissions, and the space on the disk.",
        ) from None


def _private_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
