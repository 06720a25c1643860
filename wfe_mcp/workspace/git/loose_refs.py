"""Reads and writes refs of plain repositories without a git process.

Plain: refs are files, and a ref is written by git's own protocol (``<ref>.lock``, created exclusively, then renamed).
All other cases are left to git: another ref store, a linked worktree, a shared repository, an object or a name in a pack,
a lock of another process, Windows.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

_MOST_PACKED_BYTES = 1_000_000
_NOT_PLAIN = (b"refstorage", b"sharedrepository")
"""Configuration keys that mean another ref store, or other permissions."""
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Head(NamedTuple):
    """The checked-out branch and commit. ``branch``: ``""`` on a detached HEAD; ``commit``: ``""`` before the first one."""

    branch: str
    commit: str


def head_of(git: Path, common: Path) -> Head | None:
    """HEAD of the work tree whose git directory is ``git``; None where only git knows it."""
    place = git / "HEAD"
    try:
        text = place.read_text(encoding="utf-8").strip()
        if (
            place.is_symlink()
            or (common / "reftable").exists()
            or b"refstorage" in (common / "config").read_bytes().lower()
        ):
            return None
        if _OID.fullmatch(text):
            return Head("", text)
        ref = text.removeprefix("ref: ")
        if not ref.startswith("refs/heads/") or ref == text or ".." in ref:
            return None
        return _branch_of(common, ref)
    except (OSError, ValueError):
        return None


def _branch_of(common: Path, ref: str) -> Head | None:
    name = ref.removeprefix("refs/heads/")
    try:
        commit = (common / ref).read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        packed = common / "packed-refs"
        if not packed.exists():
            return Head(name, "")
        if packed.stat().st_size > _MOST_PACKED_BYTES:
            return None
        listed = re.search(rb"^([0-9a-f]+) " + re.escape(ref.encode()) + rb"$", packed.read_bytes(), re.MULTILINE)
        return Head(name, listed[1].decode() if listed else "")
    return Head(name, commit) if _OID.fullmatch(commit) else None


def commit_at(root: Path, ref: str) -> str:
    """The commit that ``ref`` names in its own file; ``""`` where only git knows it."""
    git = _plain(root)
    try:
        return (git / ref).read_text(encoding="ascii").strip() if git else ""
    except (OSError, ValueError):
        return ""


def is_absent(root: Path, ref: str) -> bool:
    """True when the ref certainly does not exist; False where only git knows it."""
    git = _plain(root)
    try:
        return git is not None and not os.path.lexists(git / ref) and not _is_packed(git, ref)
    except OSError:
        return False


def create(root: Path, ref: str, commit: str, old: str = "") -> bool:
    """Point ``ref`` to ``commit`` instead of ``old`` (``""``: it must not exist yet), durably.

    False, with nothing changed, where only git can do it, and where the ref is not ``old``.
    """
    git = _plain(root)
    if git is None or not (git / "objects" / commit[:2] / commit[2:]).is_file():
        return False  # git refuses a ref to a missing object
    place, lock = git / ref, git / f"{ref}.lock"
    try:
        if any(word in (git / "config").read_bytes().lower() for word in _NOT_PLAIN):
            return False
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except OSError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as file:
            if commit_at(root, ref) != old if old else os.path.lexists(place) or _is_packed(git, ref):
                lock.unlink()
                return False
            file.write(commit.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        lock.replace(place)
    except OSError:
        lock.unlink(missing_ok=True)
        return False
    return True


def _plain(root: Path) -> Path | None:
    """The git directory of ``root`` where every ref is a file in it or a line in its ``packed-refs``."""
    git = root / ".git"
    if os.name == "nt" or not git.is_dir() or not (git / "HEAD").is_file() or not (git / "refs" / "heads").is_dir():
        return None
    return None if (git / "commondir").exists() or (git / "reftable").exists() else git


def _is_packed(git: Path, ref: str) -> bool:
    """True when a packed ref has this name or conflicts with it; also when the check would take too long."""
    packed = git / "packed-refs"
    if not packed.exists():
        return False
    if packed.stat().st_size > _MOST_PACKED_BYTES:
        return True
    listed = packed.read_bytes()
    names = ref.split("/")
    taken = [f" {'/'.join(names[:length])}\n" for length in range(1, len(names) + 1)]
    return any(name.encode() in listed for name in (*taken, f" {ref}/"))
