"""Reads and writes project files without following links out of the project; writes are atomic and durable.

Rules:
1. Every path is relative to the root, obeys ``paths``, and is walked by ``folders``: no link is followed.
2. A file is written beside its target and renamed over it.
3. A bundle is checked whole and staged whole in ``.wfe/``; if any rename fails, every earlier one is undone. After a
   kill in between, writing the same bundle again gives the same files.
"""

import errno
import os
import secrets
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePath
from typing import Literal

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.disk import is_full, move_over
from wfe_mcp.workspace.files.folders import Folder, new_name, open_root, walk
from wfe_mcp.workspace.files.paths import bundle_faults, folder_parts, parts_of
from wfe_mcp.workspace.files.staging import Staging, refusing_faults

MAX_FILE_BYTES = 1_000_000
MAX_FOLDER_BYTES = 10_000_000
MAX_FOLDER_FILES = 2_000


def read_file(root: Path, relative: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of one plain file. Refuses: links, hard links, devices, a missing file, more than ``max_bytes``."""
    *folders, name = parts_of(relative, root)
    with _refusing_to_open(relative), walk(root, folders) as folder:
        return folder.read(name, max_bytes)


def read_if_there(root: Path, relative: str, max_bytes: int = MAX_FILE_BYTES) -> bytes | None:
    """Like ``read_file``, but None when the file or a folder above it does not exist."""
    parts = parts_of(relative, root)
    with _refusing_to_open(relative), ExitStack() as stack:
        folder = stack.enter_context(open_root(root))
        for part in parts[:-1]:
            if folder.kind(part) is None:
                return None
            folder = stack.enter_context(folder.inner(part))
        return None if folder.kind(parts[-1]) is None else folder.read(parts[-1], max_bytes)


def read_folder(
    root: Path, relative: str, max_bytes: int = MAX_FOLDER_BYTES, max_files: int = MAX_FOLDER_FILES
) -> dict[str, bytes]:
    """Every file below a folder, by its path in the folder. Refuses links and more than the limits.

    Files whose name starts with a dot are left out: bundles may not contain them, and editors create them.
    """
    files: dict[str, bytes] = {}
    with _refusing_to_open(relative), walk(root, parts_of(relative)) as folder:
        left = max_bytes
        for path, inside, name in _files_in(folder):
            if len(files) == max_files:
                raise Refused(
                    "too_large", f"'{relative}' holds more than {max_files:,} files.", "Name a smaller folder."
                )
            files[path] = inside.read(name, left)
            left -= len(files[path])
    return files


def write_atomic(root: Path, relative: str, content: bytes | str) -> None:
    """Write one file and the folders above it; a reader sees the old or the new content, never a part.

    An existing file keeps its permissions: an edited script stays executable.
    """
    *folders, name = parts_of(relative)
    with refusing_faults(relative), walk(root, folders, make=True) as folder:
        if folder.kind(name) not in {None, "file"}:
            raise Refused(
                "path_outside_project",
                f"'{relative}' is a link or no plain file, so it is not written.",
                "Move it away, then try again.",
            )
        # The kind of the file stays in its name: what is being written into a run's folder is data there, as what it becomes.
        staged = new_name(".wfe-new") + PurePath(name).suffix
        try:
            folder.create(staged, _bytes(content), folder.mode(name))
            folder.move(staged, folder, name)
        except OSError:
            with suppress(OSError):
                folder.remove(staged)
            raise


def write_bundle(
    root: Path, folder: str, files: Mapping[str, str | bytes], *, replace: bool = False, gone: Sequence[str] = ()
) -> tuple[str, ...]:
    """Write all the files below ``folder`` (``""`` is the root), or none. The written paths, relative to the root.

    ``replace``: files in the folder that the bundle does not name are removed. ``gone``: of them only these, below the folder,
    and each folder that is empty then. Refuses an empty bundle (B-05) and reports all paths that break a rule at once.
    """
    base = folder_parts(folder) if folder else ()
    contents = {path.replace("\\", "/"): _bytes(content) for path, content in files.items()}
    below = f"{folder}/" if folder else ""
    if not contents:
        raise Refused("invalid_artifact", "The bundle holds no file.", "Submit at least one file.")
    faults = bundle_faults(contents)
    if faults or len(contents) < len(files):
        raise Refused(
            "path_outside_project",
            f"{len(faults) or 1} of the bundle's paths cannot be written; nothing was.",
            "Use plain relative paths, each once; details name every fault.",
            tuple(faults),
        )
    with refusing_faults(folder or "."), Staging(root) as staging:
        for path, content in contents.items():
            staging.put((*base, *path.split("/")), content)
        for path in gone:
            staging.take_out((*base, *path.split("/")))
        staging.commit(base if replace else None)
    return tuple(sorted(f"{below}{path}" for path in contents))


@contextmanager
def _refusing_to_open(shown: str) -> Generator[None]:
    try:
        yield
    except OSError as exc:
        raise Refused(
            "bad_argument", f"'{shown}' cannot be opened: {exc.strerror or exc}.", "Check its permissions."
        ) from exc


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _files_in(folder: Folder, above: str = "") -> Iterator[tuple[str, Folder, str]]:
    """(path, open folder, name) of each file, in order. Links and devices are yielded too: reading them refuses."""
    for name in folder.names():
        if folder.kind(name) == "folder":
            with folder.inner(name) as inner:
                yield from _files_in(inner, f"{above}{name}/")
        elif not name.startswith("."):
            yield f"{above}{name}", folder, name


_BINARY = getattr(os, "O_BINARY", 0)


def name_of_copy(file: Path) -> Path:
    """A new name beside ``file``, for a copy that this process writes; the next start removes those of ended processes."""
    return file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(8)}.new")


def replace_file(file: Path, content: bytes, mode: int | None = 0o600) -> None:
    """Write ``file``: a reader sees the old content or the new. ``mode`` None: as the system gives new files."""
    staged = name_of_copy(file)
    try:
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
        with os.fdopen(os.open(staged, new, 0o666 if mode is None else 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if mode is not None:
            staged.chmod(mode)
        move_over(staged, file)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def make_file_once(file: Path, content: bytes) -> None:
    """Write ``file``, which its user alone may read, where there is none: of processes that do so at once, the first wins.

    It has its name once it is whole, so that a full disk or a kill leaves none that lacks its content.
    """
    if file.exists():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged = name_of_copy(file)
    replace_file(staged, content)
    try:
        os.link(staged, file)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if create_empty(file):
            staged.replace(file)
    finally:
        staged.unlink(missing_ok=True)


def append_line(file: Path, line: str) -> None:
    """Add a line to a file that its user alone may read, in one write. After one that was cut short it begins anew.

    Raises OSError, also where the disk takes only a part of it.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | _BINARY, 0o600)
    try:
        content = b"" if _ends_a_line(number) else b"\n"
        content += f"{line}\n".encode()
        if os.write(number, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        os.fsync(number)
    finally:
        os.close(number)


def _ends_a_line(number: int) -> bool:
    """Whether an open file is empty, or its last byte is a line break."""
    if os.fstat(number).st_size == 0:
        return True
    os.lseek(number, -1, os.SEEK_END)
    return os.read(number, 1) == b"\n"


def create_empty(file: Path) -> bool:
    """Create a file that its user alone may read; False where it is there already."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


@contextmanager
def named_file(path: str | Path, use: Literal["read", "written"], hint: str = "Name another file.") -> Generator[None]:
    """Refuse what the system refuses: ``conflict`` for a new file that exists already, ``unavailable`` for a full disk, else
    ``bad_argument``.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):  # else a file is where a folder is needed
            raise Refused("conflict", f"{path} exists already.", hint) from None
        code, step = ("unavailable", "Free some space, then try again.") if is_full(error) else ("bad_argument", hint)
        raise Refused(code, f"{path} cannot be {use}: {error.strerror}.", step) from None


def write_new(path: Path, content: str | bytes) -> None:
    """Write a file that is not there yet, whole or not at all. Refuses as ``named_file`` does."""
    with named_file(path, "written"):
        file = path.open("xb")
        try:
            with file:
                file.write(_bytes(content))
        except OSError:  # it is closed: Windows removes no open file
            path.unlink()
            raise
