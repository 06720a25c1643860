"""Facts about single files: what ``lstat`` says of them, and the hash of their bytes."""

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.limits import PROJECT_FILE_BYTES
from wfe_mcp.workspace.files.paths import readable
from wfe_mcp.workspace.git.objects import Node, hash_file, object_id

GRAIN_NS = 2_000_000_000
"""The coarsest timestamp resolution of any file system (FAT): two seconds."""

LINK = "120000"
"""Git's mode of a link."""

AS_IT_IS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Opens a file to read its bytes: no link is followed, and what waits for a writer keeps no one."""

Signature = tuple[int, ...]
"""What differs where the bytes of a file may differ."""
MODE, SIZE, MTIME_NS, CTIME_NS = range(4)
signature_of: Callable[[os.stat_result], Signature] = attrgetter(
    "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev"
)


def facts_of(root: Path, path: str) -> os.stat_result | None:
    """``lstat`` of the path (of a link itself); None where nothing exists."""
    try:
        return os.lstat(f"{root}/{path}")  # thousands of paths: a Path each takes three times as long
    except OSError:
        return None


def is_home_or_disk(folder: Path) -> bool:
    """True for the user's home folder and for a whole disk: neither is a project, and each has too many files."""
    home = os.path.expanduser("~")  # noqa: PTH111 - with each start and claim
    return any(_is_same(folder, other) for other in (home, f"{folder}{os.sep}{os.pardir}"))


def _is_same(folder: Path, other: str) -> bool:
    # Asked of the system: to follow the links in both paths takes five times as long.
    try:
        return os.path.samefile(folder, other)  # noqa: PTH121 - as above
    except OSError:  # one of both is not there
        return False


def signatures_at(places: Sequence[str]) -> list[Signature] | None:
    """``signature_of`` each place, in order; None where one of them is gone."""
    try:
        return list(map(signature_of, map(os.lstat, places)))
    except OSError:
        return None


def signatures_below(root: Path, paths: Iterable[str]) -> dict[str, Signature]:
    """``signature_of`` every entry that is no folder, or named with ``/``; targets of links are not part of the project."""
    real = {"": True}
    signatures: dict[str, Signature] = {}
    for path in paths:
        folder = path.rpartition("/")[0]
        if folder not in real:
            _is_real(root, folder, real)
        facts = facts_of(root, path) if real[folder] else None
        if facts is not None and (path.endswith("/") or not stat.S_ISDIR(facts.st_mode)):
            signatures[path] = signature_of(facts)
    return signatures


def _is_real(root: Path, folder: str, real: dict[str, bool]) -> bool:
    if folder not in real:
        above = _is_real(root, folder.rpartition("/")[0], real)
        facts = facts_of(root, folder) if above else None
        real[folder] = facts is not None and stat.S_ISDIR(facts.st_mode)
    return real[folder]


def mode_of(mode: int) -> str:
    """Git's mode of a file or link; ``""`` for entries without content in git."""
    if stat.S_ISLNK(mode):
        return LINK
    return ("100755" if mode & 0o100 else "100644") if stat.S_ISREG(mode) else ""


def unread_nodes(root: Path, facts: Mapping[str, Signature], paths: Iterable[str], hash_name: str) -> dict[str, Node]:
    """What stands for those of ``paths`` that are there and give us no bytes: pipes, and files of ours that refuse us.

    A check may read them at another moment, since the same user can open them, so ``facts`` bind them. It can open no
    socket, nor what another user closed. On Windows a file that a program has open refuses everyone, and so counts for nothing.
    """
    user: Callable[[], int] | None = getattr(os, "geteuid", None)
    if user is None:
        return {}
    nodes, me = dict[str, Node](), user()
    for path in paths:
        at = facts_of(root, path)
        if at is None or stat.S_ISSOCK(at.st_mode):
            continue
        if stat.S_ISFIFO(at.st_mode) or me in (0, at.st_uid):
            nodes[path.rstrip("/")] = Node("100644", object_id("blob", repr(facts[path]).encode(), hash_name))
    return nodes


def is_settled(signature: Signature, before_ns: int) -> bool:
    """Whether a write after the moment ``before_ns`` gives the file another signature. On Windows ctime is no time of change."""
    return os.name != "nt" and max(signature[MTIME_NS], signature[CTIME_NS]) < before_ns - GRAIN_NS


def link_bytes(place: str) -> bytes:
    """Where a link leads, as git stores it. OSError: it is none.

    On Windows: with slashes; and the bytes of a plain file, which git makes of a link where the user may make none.
    """
    if os.name != "nt":
        return os.readlink(os.fsencode(place))  # noqa: PTH115 - a Path would tidy up where it leads
    if Path(place).is_symlink():
        return os.readlink(os.fsencode(place)).replace(b"\\", b"/")  # noqa: PTH115 - as above
    return Path(place).read_bytes()


def hash_at(place: str, signature: Signature, hash_name: str) -> tuple[str, Signature] | None:
    """The blob id, and the signature of just these bytes; None where nothing is readable. Refuses ``too_large``."""
    if signature[SIZE] > PROJECT_FILE_BYTES.most:
        fault = PROJECT_FILE_BYTES.fault(signature[SIZE])
        message = f"'{readable(place)}', which git does not ignore, {fault}."
        raise Refused("too_large", message, PROJECT_FILE_BYTES.remedy)
    try:
        if stat.S_ISLNK(signature[MODE]):
            return object_id("blob", link_bytes(place), hash_name), signature
        descriptor = os.open(place, AS_IT_IS)
    except OSError:
        return None
    try:
        for _ in range(5):
            before = signature_of(os.fstat(descriptor))
            if not stat.S_ISREG(before[MODE]):
                return None
            oid = hash_file(descriptor, before[SIZE], hash_name)
            if oid is not None and signature_of(os.fstat(descriptor)) == before:
                return oid, before
            os.lseek(descriptor, 0, os.SEEK_SET)  # written meanwhile
        # A file written continuously: its present bytes, which ``stat`` shows to be too new to cache.
        with open(descriptor, "rb", closefd=False) as file:
            return object_id("blob", file.read(), hash_name), signature_of(os.fstat(descriptor))
    except OSError:
        return None
    finally:
        os.close(descriptor)
