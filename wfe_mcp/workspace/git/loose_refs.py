"""Reads and writes wfe-mcp's own refs without a git process, where they are plain files.

Those of a plain repository: its refs are files, and a new one is made by git's own protocol (``<ref>.lock``, made by
nobody else, renamed). Whatever is not plain is left to git: another ref store, a linked worktree, a shared repository,
an object or a name in a pack, a lock of somebody else, Windows.
"""

import os
from pathlib import Path

__all__ = ["commit_at", "create"]

_MOST_PACKED_BYTES = 1_000_000
_NOT_PLAIN = (b"refstorage", b"sharedrepository")
"""In any configuration of a repository: refs are kept otherwise, or with other rights."""


def commit_at(root: Path, ref: str) -> str:
    """The commit that ``ref`` names in a file of its own; ``""`` where only git can tell."""
    git = _plain(root)
    try:
        return (git / ref).read_text(encoding="ascii").strip() if git else ""
    except (OSError, ValueError):
        return ""


def create(root: Path, ref: str, commit: str) -> bool:
    """Make ``ref``, durably. False, with nothing done, where that is git's to do, and where the ref is there already."""
    git = _plain(root)
    if git is None or not (git / "objects" / commit[:2] / commit[2:]).is_file():
        return False  # git refuses a ref to an object that is not there
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
            if os.path.lexists(place) or _is_packed(git, ref):
                lock.unlink()
                return False
            file.write(commit.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        lock.rename(place)
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
    """True when a packed ref has this name, or one that leaves no room for it; also when that takes long to find out."""
    packed = git / "packed-refs"
    if not packed.exists():
        return False
    if packed.stat().st_size > _MOST_PACKED_BYTES:
        return True
    listed = packed.read_bytes()
    names = ref.split("/")
    taken = [f" {'/'.join(names[:length])}\n" for length in range(1, len(names) + 1)]
    return any(name.encode() in listed for name in (*taken, f" {ref}/"))
