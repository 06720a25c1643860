# ruff: noqa: D102 - the protocol documents each operation
"""Opens folders of a project without following links out of it.

Two implementations of one small protocol:

    FdFolder     POSIX: each step opens a name relative to an open folder, without links; a swap in between cannot escape
    PathFolder   Windows: each step checks for links and junctions, and verifies afterwards that it opened the checked file
"""

import errno
import os
import secrets
import stat
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal, Protocol, Self

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.disk import make_writable, move_over

Kind = Literal["file", "folder", "link", "other"]
_REPARSE_POINT = 0x400
# Windows has none of them: there every folder is a PathFolder.
_O_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)
_O_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_O_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
_O_CLOEXEC: int = getattr(os, "O_CLOEXEC", 0)
_GROWTH_BYTES = 1_000_000
"""A file that grows by more while it is read is refused."""
_LINK_ERRORS = {errno.ELOOP, errno.ENOTDIR, getattr(errno, "EMLINK", errno.ELOOP)}


class Folder(Protocol):
    """An open folder. Names are single parts that ``paths`` has accepted; no operation follows a link."""

    shown: str
    """The folder's path, for messages only."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def kind(self, name: str) -> Kind | None:
        """The kind of the entry; None when there is none."""
        ...

    def names(self) -> list[str]:
        """The names in the folder, sorted."""
        ...

    def inner(self, name: str, *, make: bool = False) -> "Folder":
        """The folder in this folder. Refuses links and anything but a folder."""
        ...

    def read(self, name: str, max_bytes: int) -> bytes:
        """The bytes of a plain file with one name. Refuses links, hard links, devices, and more than ``max_bytes``."""
        ...

    def mode(self, name: str) -> int | None:
        """The permission bits of a plain file; None when there is none."""
        ...

    def create(self, name: str, content: bytes, mode: int | None = None) -> None:
        """A new file, with ``mode`` regardless of the umask; FileExistsError when the name is taken."""
        ...

    def create_link(self, name: str, target: str) -> None:
        """A new symbolic link; its target is not checked. FileExistsError when the name is taken."""
        ...

    def link_target(self, name: str) -> str:
        """The target of a symbolic link."""
        ...

    def move(self, name: str, to: "Folder", new_name: str) -> None:
        """Rename within one file system, replacing an existing entry."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file or link."""
        ...

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder."""
        ...


class FdFolder:
    """A folder held open by its descriptor."""

    def __init__(self, fd: int, shown: str) -> None:
        self.fd = fd
        self.shown = shown

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def kind(self, name: str) -> Kind | None:
        try:
            return _kind_of(os.stat(name, dir_fd=self.fd, follow_symlinks=False))
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        return sorted(os.listdir(self.fd))  # noqa: PTH208 - pathlib lists no descriptor

    def inner(self, name: str, *, make: bool = False) -> "FdFolder":
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=self.fd)
        try:
            fd = os.open(name, os.O_RDONLY | _O_DIRECTORY | _O_NOFOLLOW | _O_CLOEXEC, dir_fd=self.fd)
        except OSError as exc:
            raise _step_refused(self, name, exc) from exc
        return FdFolder(fd, f"{self.shown}/{name}")

    def read(self, name: str, max_bytes: int) -> bytes:
        # O_NONBLOCK: opening a named pipe must not hang.
        flags = os.O_RDONLY | _O_NOFOLLOW | _O_NONBLOCK | _O_CLOEXEC
        try:
            fd = os.open(name, flags, dir_fd=self.fd)
        except OSError as exc:
            raise _step_refused(self, name, exc) from exc
        return _read_plain(fd, f"{self.shown}/{name}", max_bytes)

    def mode(self, name: str) -> int | None:
        try:
            return _mode_of(os.stat(name, dir_fd=self.fd, follow_symlinks=False))
        except FileNotFoundError:
            return None

    def create(self, name: str, content: bytes, mode: int | None = None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_NOFOLLOW | _O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o666, dir_fd=self.fd), "wb") as file:
            file.write(content)
            if mode is not None:
                os.fchmod(file.fileno(), mode)

    def create_link(self, name: str, target: str) -> None:
        os.symlink(target, name, dir_fd=self.fd)

    def link_target(self, name: str) -> str:
        return os.readlink(name, dir_fd=self.fd)

    def move(self, name: str, to: Folder, new_name: str) -> None:
        assert isinstance(to, FdFolder)  # one tree, one kind of folder
        os.replace(name, new_name, src_dir_fd=self.fd, dst_dir_fd=to.fd)

    def remove(self, name: str) -> None:
        os.unlink(name, dir_fd=self.fd)

    def remove_folder(self, name: str) -> None:
        os.rmdir(name, dir_fd=self.fd)


class PathFolder:
    """A folder known by its path: Windows opens nothing relative to a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown = str(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def kind(self, name: str) -> Kind | None:
        try:
            return _kind_of((self.path / name).lstat())
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())

    def inner(self, name: str, *, make: bool = False) -> "PathFolder":
        if make:
            (self.path / name).mkdir(exist_ok=True)
        kind = self.kind(name)
        if kind != "folder":
            raise _kind_refused(f"{self.shown}/{name}", kind, "folder")
        return PathFolder(self.path / name)

    def read(self, name: str, max_bytes: int) -> bytes:
        kind = self.kind(name)
        if kind != "file":
            raise _kind_refused(f"{self.shown}/{name}", kind, "file")
        seen = (self.path / name).lstat()
        fd = os.open(self.path / name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        opened = os.fstat(fd)
        if (seen.st_ino, seen.st_dev) != (opened.st_ino, opened.st_dev):  # pragma: no cover - needs a swap in between
            os.close(fd)
            raise _kind_refused(f"{self.shown}/{name}", "link", "file")
        return _read_plain(fd, f"{self.shown}/{name}", max_bytes)

    def mode(self, name: str) -> int | None:
        try:
            return _mode_of((self.path / name).lstat())
        except FileNotFoundError:
            return None

    def create(self, name: str, content: bytes, mode: int | None = None) -> None:
        with (self.path / name).open("xb") as file:
            file.write(content)
        if mode is not None:
            (self.path / name).chmod(mode)

    def create_link(self, name: str, target: str) -> None:
        (self.path / name).symlink_to(target)

    def link_target(self, name: str) -> str:
        return str((self.path / name).readlink())

    def move(self, name: str, to: Folder, new_name: str) -> None:
        assert isinstance(to, PathFolder)  # one tree, one kind of folder
        move_over(self.path / name, to.path / new_name)

    def remove(self, name: str) -> None:
        file = self.path / name
        try:
            file.unlink()
        except PermissionError:
            make_writable(file)
            file.unlink()

    def remove_folder(self, name: str) -> None:
        (self.path / name).rmdir()


def open_root(root: Path) -> Folder:
    """The project root. Links on the way to it are allowed: the user chose the path, not the project."""
    try:
        if os.open in os.supports_dir_fd:
            return FdFolder(os.open(root, os.O_RDONLY | _O_DIRECTORY | _O_CLOEXEC), str(root))
        return plain_folder(root)  # pragma: no cover - Windows; tests walk a PathFolder on every system
    except OSError as exc:
        raise Refused(
            "bad_argument",
            f"The project folder '{root}' cannot be opened: {exc.strerror}.",
            "Name an existing folder with --project. If it was renamed or moved: wfe-mcp project move OLD NEW",
        ) from exc


def plain_folder(root: Path) -> PathFolder:
    """``root`` as a PathFolder; NotADirectoryError when it is not a folder."""
    if not root.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))
    return PathFolder(root)


@contextmanager
def walk(root: Path, names: Sequence[str], *, make: bool = False) -> Generator[Folder]:
    """The open folder at ``names`` below the root. ``make``: create what is missing."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_root(root))
        for name in names:
            folder = stack.enter_context(folder.inner(name, make=make))
        yield folder


def new_name(stem: str) -> str:
    """A unique name: ``stem`` and 64 random bits."""
    return f"{stem}-{secrets.token_hex(8)}"


def _kind_of(facts: os.stat_result) -> Kind:
    if stat.S_ISLNK(facts.st_mode) or getattr(facts, "st_file_attributes", 0) & _REPARSE_POINT:
        return "link"
    if stat.S_ISDIR(facts.st_mode):
        return "folder"
    return "file" if stat.S_ISREG(facts.st_mode) else "other"


def _mode_of(facts: os.stat_result) -> int | None:
    return stat.S_IMODE(facts.st_mode) & 0o777 if stat.S_ISREG(facts.st_mode) else None


def _read_plain(fd: int, shown: str, max_bytes: int) -> bytes:
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise _kind_refused(shown, _kind_of(facts), "file")
        if facts.st_nlink > 1:
            raise Refused(
                "path_outside_project",
                f"'{shown}' has a second name (a hard link), which may lie outside the project.",
                "Copy the file, and name the copy.",
            )
        with os.fdopen(fd, "rb", closefd=False) as file:
            # Not max_bytes at once: Python allocates that much memory.
            limit = min(max_bytes, facts.st_size + _GROWTH_BYTES)
            content = file.read(limit + 1)
    finally:
        os.close(fd)
    if len(content) > limit:
        raise Refused("too_large", f"'{shown}' is larger than {limit:,} bytes.", "Make it smaller, or split it.")
    return content


def _step_refused(folder: FdFolder, name: str, exc: OSError) -> Exception:
    """The refusal for a failed step; the original error where it is not about links or kinds."""
    shown = f"{folder.shown}/{name}"
    if isinstance(exc, FileNotFoundError):
        return _kind_refused(shown, None, "file")
    return _kind_refused(shown, folder.kind(name), "folder") if exc.errno in _LINK_ERRORS else exc


def _kind_refused(shown: str, kind: Kind | None, wanted: Kind) -> Refused:
    if kind == "link":
        return Refused(
            "path_outside_project",
            f"'{shown}' is a link, and links are not followed: they may lead out of the project.",
            "Give the path of the real file inside the project.",
        )
    what = "does not exist" if kind is None else f"is no plain {wanted}"
    return Refused("bad_argument", f"'{shown}' {what}.", "Check the path; it is relative to the project root.")
