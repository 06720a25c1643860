"""What git stores of a file may be other bytes than those on the disk: plain line ends, a pointer of LFS, what a filter makes."""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from wfe_mcp.workspace.git.batch import read_objects, sizes
from wfe_mcp.workspace.git.command import own_filters, quiet_filters, require_repository, run_git, text_of
from wfe_mcp.workspace.git.objects import DURABLE, object_id
from wfe_mcp.workspace.git.trees import PathChange
from wfe_mcp.workspace.git.working_tree import changed_paths

_MOST_BYTES = 64_000_000
"""A larger file is not read for its line ends."""
_POINTER_BYTES = 300
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:"


def filtered_paths(root: Path, paths: Sequence[str]) -> frozenset[str]:
    """Those of ``paths`` to which a filter of the repository's own configuration applies, such as git-crypt's: it is not run here."""
    own = own_filters(root)
    if not own or not paths:
        return frozenset()
    input_lines = os.fsencode("".join(f"{path}\0" for path in paths))
    words = text_of(run_git(root, "check-attr", "-z", "--stdin", "filter", stdin=input_lines)).split("\0")
    return frozenset(path for path, value in zip(words[0::3], words[2::3], strict=False) if value in own)


def touched_paths(root: Path, began: str | None, tree: str) -> frozenset[str]:
    """The paths, from the top, that differ between two trees; not looked for where the repository defines no filter."""
    prefix = require_repository(root).prefix
    return (
        frozenset(f"{prefix}{path}" for path in changed_paths(root, began, tree))
        if began and own_filters(root)
        else frozenset()
    )


def write_blobs(root: Path, paths: Sequence[str]) -> list[str]:
    """Write the blobs of ``paths`` (from the top) as git stores them; their ids."""
    if not paths:
        return []
    repo = require_repository(root)
    input_lines = "".join(f"{path}\n" for path in paths)
    # What git would make of a file is compared here: it need not refuse that by itself.
    words = (*DURABLE, "-c", "core.safecrlf=false", "hash-object", "-w", "--stdin-paths")
    done = run_git(repo.top, *words, stdin=os.fsencode(input_lines), env=quiet_filters(repo.root))
    return text_of(done).split("\n")


def plain_oid(content: bytes, hash_name: str) -> str:
    """The blob id of ``content`` with LF for CRLF, as git stores the lines of a text."""
    return object_id("blob", content.replace(b"\r\n", b"\n"), hash_name)


def has_plain(root: Path, path: str, oid: str) -> bool:
    """Whether the file on the disk, with LF for CRLF, is the blob ``oid``."""
    content = _read(root, path) if oid else b""
    return b"\r\n" in content and plain_oid(content, require_repository(root).hash_name) == oid


def stored_alike(root: Path, changes: Sequence[PathChange]) -> frozenset[str]:
    """The paths of those changes whose files a commit would leave as they are in git (``old``), though the bytes on the disk differ."""
    both = [change for change in changes if change.old and change.new and change.old.mode == change.new.mode]
    plain = {change.path for change in both if change.old and has_plain(root, change.path, change.old.oid)}
    rest = [(change.path, change.old.oid) for change in both if change.old and change.path not in plain]
    unread = filtered_paths(root, [path for path, _ in rest])
    return unread.union(plain, _pointers(root, [pair for pair in rest if pair[0] not in unread]))


def _pointers(root: Path, held: Sequence[tuple[str, str]]) -> set[str]:
    """Those of the paths whose blob is a pointer of LFS to what is on the disk."""
    small = [
        pair
        for pair, size in zip(held, sizes(root, [oid for _, oid in held]), strict=True)
        if size and size < _POINTER_BYTES
    ]
    pointers: set[str] = set()
    for (path, _), blob in zip(small, read_objects(root, [oid for _, oid in small]), strict=True):
        if blob is not None and blob[1].startswith(_POINTER):
            named = blob[1][len(_POINTER) :][:64].decode(errors="replace")
            pointers |= {path} if named == _sha256(Path(root, path)) else set()
    return pointers


def _sha256(place: Path) -> str:
    try:
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _read(root: Path, path: str) -> bytes:
    """The bytes of a file, no link; none where it is gone, or has more than ``_MOST_BYTES``."""
    place = f"{root}/{path}"
    try:
        facts = os.lstat(place)
        return Path(place).read_bytes() if stat.S_ISREG(facts.st_mode) and facts.st_size <= _MOST_BYTES else b""
    except OSError:
        return b""
