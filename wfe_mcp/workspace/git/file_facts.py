"""Facts about single files: what ``lstat`` says of them, and the hash of their bytes."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from wfe_mcp.workspace.git.objects import hash_file, object_id


def facts_of(root: Path, path: str) -> os.stat_result | None:
    """``lstat`` of the path (of a link itself); None where nothing exists."""
    try:
        return os.lstat(f"{root}/{path}")  # thousands of paths: a Path each takes three times as long
    except OSError:
        return None


def facts_below(root: Path, paths: Iterable[str]) -> dict[str, os.stat_result]:
    """``lstat`` of every entry that is no folder; targets of links are not part of the project."""
    real = {"": True}
    found: dict[str, os.stat_result] = {}
    top, lstat, is_folder = f"{root}/", os.lstat, stat.S_ISDIR  # fifty thousand files: each lookup and call counts
    for path in paths:
        folder = path.rpartition("/")[0]
        if folder in real and not real[folder]:
            continue
        if folder in real or _is_real(root, folder, real):
            try:
                facts = lstat(top + path)
            except OSError:
                continue
            if not is_folder(facts.st_mode):
                found[path] = facts
    return found


def _is_real(root: Path, folder: str, real: dict[str, bool]) -> bool:
    if folder not in real:
        above = _is_real(root, folder.rpartition("/")[0], real)
        facts = facts_of(root, folder) if above else None
        real[folder] = facts is not None and stat.S_ISDIR(facts.st_mode)
    return real[folder]


def mode_of(mode: int) -> str:
    """Git's mode of a file or link; ``""`` for entries without content in git."""
    if stat.S_ISLNK(mode):
        return "120000"
    return ("100755" if mode & 0o100 else "100644") if stat.S_ISREG(mode) else ""


def times_of(facts: os.stat_result) -> tuple[int, int]:
    """Mtime and ctime, in nanoseconds."""
    return facts.st_mtime_ns, facts.st_ctime_ns


def signature_of(facts: os.stat_result) -> tuple[int, ...]:
    """What differs where the bytes may differ."""
    return facts.st_mode, facts.st_size, *times_of(facts), facts.st_ino, facts.st_dev


def hash_at(place: str, facts: os.stat_result, hash_name: str) -> tuple[str, os.stat_result] | None:
    """The blob id, and ``stat`` of just these bytes; None where nothing is readable."""
    try:
        if stat.S_ISLNK(facts.st_mode):
            leads = os.readlink(os.fsencode(place))  # noqa: PTH115 - a Path would tidy up where it leads
            return object_id("blob", leads, hash_name), facts
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(place, flags)
    except OSError:
        return None
    try:
        for _ in range(5):
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                return None
            oid = hash_file(descriptor, before.st_size, hash_name)
            if oid is not None and signature_of(os.fstat(descriptor)) == signature_of(before):
                return oid, before
            os.lseek(descriptor, 0, os.SEEK_SET)  # written meanwhile
        # A file written continuously: its present bytes, which ``stat`` shows to be too new to cache.
        with open(descriptor, "rb", closefd=False) as file:
            return object_id("blob", file.read(), hash_name), os.fstat(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
