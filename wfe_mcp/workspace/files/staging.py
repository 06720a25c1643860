"""Writes and deletes many files of a project atomically: all of them or none.

put      .wfe/stage-…/new-0 …          the project is still unchanged
commit   old file -> stage-…/old-0     every step has an undo; an error runs them in reverse
         new-0    -> its place
exit     removes stage-… and the old files

Files that changed while a check ran, also those that were changed back.

Content alone does not show a file that was replaced and put back: the tree is the same before and after. The time of the
last change of an inode (ctime) shows it, because no program of the user can set that time.
"""

import errno
import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.folders import Folder, new_name, walk
from wfe_mcp.workspace.files.staged import STAGED

_WFE = ".wfe"
_HELD = 32
"""What Windows answers where another program has the file open (ERROR_SHARING_VIOLATION)."""
Parts = tuple[str, ...]


@contextmanager
def refusing_faults(shown: str) -> Generator[None]:
    """Turn a file system error into a refusal that a user can act on."""
    try:
        yield
    except OSError as exc:
        if getattr(exc, "winerror", None) == _HELD:
            why = f"'{shown}' could not be written: another program has '{exc.filename}' open."
            raise Refused("unavailable", why, "Close it there, then try again.") from exc
        raise Refused(
            "unavailable",
            f"'{shown}' could not be written: {exc.strerror or exc}.",
            "Check free space and permissions, then try again.",
        ) from exc


def why_unwritable(folder: Path) -> OSError | None:
    """Why no file can be written below ``folder`` now; None where one can, also where the folder can be made."""
    import tempfile  # it takes longer to load than the first answer

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(4096))
    except OSError as fault:
        return fault
    return None


class Staging:
    """Files to write and files to delete."""

    def __init__(self, root: Path, stem: str = "stage") -> None:
        self._root = root
        self._stage = (_WFE, new_name(stem))
        self._files: list[Parts] = []
        self._gone: list[Parts] = []
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        STAGED.add(self._stage[1])
        try:
            with walk(self._root, self._stage, make=True):
                return self
        except BaseException:
            STAGED.discard(self._stage[1])
            raise

    def __exit__(self, *_: object) -> None:
        with suppress(OSError), walk(self._root, (_WFE,)) as wfe:
            remove_tree(wfe, self._stage[1])
        with suppress(OSError), walk(self._root, ()) as top:
            top.remove_folder(_WFE)  # only where it is empty, so only where this staging made it
        STAGED.discard(self._stage[1])

    def put(self, parts: Parts, content: bytes, mode: int | None = None) -> None:
        """Stage a file for ``parts`` below the root."""
        with walk(self._root, self._stage) as stage:
            stage.create(f"new-{len(self._files)}", content, mode)
        self._files.append(parts)

    def put_link(self, parts: Parts, target: str) -> None:
        """Stage a symbolic link for ``parts``."""
        with walk(self._root, self._stage) as stage:
            stage.create_link(f"new-{len(self._files)}", target)
        self._files.append(parts)

    def take_out(self, parts: Parts) -> None:
        """Delete the file or link at ``parts`` on commit, and each folder that this leaves empty."""
        self._gone.append(parts)

    def commit(self, instead_of: Parts | None = None, *, over_links: bool = False) -> None:
        """Move every staged file to its place. ``instead_of``: a folder whose old content is removed.

        Refuses, with everything unchanged, when a folder or link is in the place of a file, or the other way round.
        ``over_links``: a link itself may be replaced; links are never followed.
        """
        plain = ("file", "link") if over_links else ("file",)
        try:
            if instead_of:
                self._move_away(instead_of, "old-folder", ("folder",))
            for number, parts in enumerate(self._gone):
                self._move_away(parts, f"gone-{number}", plain)
            self._remove_empty_folders()
            for number, parts in enumerate(self._files):
                self._make_folders(parts[:-1])
                self._move_away(parts, f"old-{number}", plain)
                self._move((*self._stage, f"new-{number}"), parts)
        except BaseException:
            for step in reversed(self._undo):
                with suppress(OSError):
                    step()
            raise

    def _make_folders(self, parts: Parts) -> None:
        for length in range(1, len(parts) + 1):
            above, name = parts[: length - 1], parts[length - 1]
            with walk(self._root, above) as folder:
                if folder.kind(name) is None:
                    folder.inner(name, make=True).__exit__(None, None, None)
                    self._undo.append(lambda above=above, name=name: self._remove_folder(above, name))

    def _remove_empty_folders(self) -> None:
        """Remove the folders that the deletions left empty, except where a staged file goes."""
        needed = {parts[:length] for parts in self._files for length in range(len(parts))}
        left = {parts[:length] for parts in self._gone for length in range(1, len(parts))} - needed
        for parts in sorted(left, key=len, reverse=True):
            with suppress(OSError, Refused):  # not empty, or not there
                self._remove_folder(parts[:-1], parts[-1])
                self._undo.append(lambda parts=parts: self._make_folder(parts))

    def _make_folder(self, parts: Parts) -> None:
        with walk(self._root, parts, make=True):
            pass

    def _move_away(self, parts: Parts, name: str, only: Sequence[str]) -> None:
        """Move the entry at ``parts`` into the stage, if there is one."""
        kind = self._kind(parts)
        if kind is None:
            return
        if kind not in only:
            raise Refused(
                "path_outside_project",
                f"'{'/'.join(parts)}' is a {kind}, so no {only[0]} is written there. Nothing was written.",
                "Move it away, or choose another path.",
            )
        self._move(parts, (*self._stage, name))

    def _kind(self, parts: Parts) -> str | None:
        """The kind of the entry at ``parts``; None also when a folder above is missing."""
        kind = None
        for length in range(1, len(parts) + 1):
            with walk(self._root, parts[: length - 1]) as folder:
                kind = folder.kind(parts[length - 1])
            if kind is None:
                break
        return kind

    def _move(self, source: Parts, target: Parts) -> None:
        self._rename(source, target)
        self._undo.append(lambda: self._rename(target, source))

    def _rename(self, source: Parts, target: Parts) -> None:
        with walk(self._root, source[:-1]) as here, walk(self._root, target[:-1]) as there:
            try:
                here.move(source[-1], there, target[-1])
            except OSError as exc:
                if exc.errno != errno.EXDEV:
                    raise
                _copy_over(here, source[-1], there, target[-1])

    def _remove_folder(self, above: Parts, name: str) -> None:
        with walk(self._root, above) as folder:
            folder.remove_folder(name)


def _copy_over(here: Folder, name: str, there: Folder, new: str) -> None:
    """Move a file or link to another file system, atomically at its target: a project folder may be a mount point."""
    staged = new_name(".wfe-new")
    try:
        if here.kind(name) == "link":
            there.create_link(staged, here.link_target(name))
        else:
            there.create(staged, here.read(name, sys.maxsize), here.mode(name))
        there.move(staged, there, new)
    except OSError:
        with suppress(OSError):
            there.remove(staged)
        raise
    here.remove(name)


def remove_tree(folder: Folder, name: str) -> None:
    """Remove a file, a link, or a folder with all below it."""
    if folder.kind(name) != "folder":
        folder.remove(name)
        return
    with folder.inner(name) as inner:
        for inner_name in inner.names():
            remove_tree(inner, inner_name)
    folder.remove_folder(name)


Stamp = tuple[int, ...]


def changed_meanwhile(before: Mapping[str, Stamp | None], after: Mapping[str, Stamp | None]) -> list[str]:
    """The paths that were written, replaced, created or removed between two looks, in order.

    A path counts also when its content is what it was. Where the system keeps no time of change (Windows), a file
    that was changed back with its old modification time is missed.
    """
    if before == after:
        return []
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def stamp_of(facts: os.stat_result | None) -> Stamp | None:
    """What shows a change of a file; None where nothing is."""
    if facts is None:
        return None
    # A change of permissions, or a hard link by a backup, sets the ctime too: it counts as a change.
    return facts.st_size, facts.st_mtime_ns, 0 if os.name == "nt" else facts.st_ctime_ns, facts.st_ino
