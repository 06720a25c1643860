# ruff: noqa: PTH110, PTH112, PTH113, PTH116, PTH118 - called for each file and at each step: a Path for each takes longer than the rest
"""Git objects without a git process: ids, tree contents, loose files, and packs.

Rules:
1. An id is the hash of a header and the bytes, so a tree's id depends only on its entries.
2. A loose object is written to a temporary file, written out and renamed, as git does: it is complete or absent. The ref
   that is written next makes it durable (``workspace/files/disk.py``); where that cannot be, it is synced by itself.
3. More than ``MANY`` objects, and stores with special permissions, go through one ``git index-pack``.

Reads and writes refs of plain repositories without a git process.

Plain: refs are files, and a ref is written by git's own protocol (``<ref>.lock``, created exclusively, then renamed).
All other cases are left to git: another ref store, a linked worktree, a shared repository, an object or a name in a pack,
a lock of another process, Windows.
"""

import hashlib
import os
import re
import secrets
import struct
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.disk import refuse_pipes, write_out
from wfe_mcp.workspace.git.command import Repository, output_of, run_git

DURABLE = ("-c", "core.fsync=objects", "-c", "core.fsyncMethod=batch", "-c", "core.looseCompression=1")
MANY = 64
"""From this number on, loose files cost more than a git process."""
_FEW = 16
"""Up to this number, objects are rewritten rather than looked up by a git process."""
_RENEWED_S = 86_400
_BLOCK_BYTES = 1_048_576
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
_NUMBERS = {"commit": 1, "tree": 2, "blob": 3}

Kind = Literal["blob", "tree", "commit"]


class Node(NamedTuple):
    """One entry of a tree. ``mode``: git's, six digits."""

    mode: str
    oid: str


def object_id(kind: Kind, content: bytes, hash_name: str) -> str:
    """Git's id for ``content``."""
    return hashlib.new(hash_name, b"%s %d\0" % (kind.encode(), len(content)) + content).hexdigest()


def hash_file(descriptor: int, size: int, hash_name: str) -> str | None:
    """The blob id of an open file of ``size`` bytes; None when its size has changed."""
    digest = hashlib.new(hash_name, b"blob %d\0" % size)
    left = size
    while block := os.read(descriptor, min(left, _BLOCK_BYTES) + 1):
        digest.update(block)
        left -= len(block)
        if left < 0:
            return None
    return digest.hexdigest() if left == 0 else None


class Trees:
    """The trees of files. Where they are asked for again, only those of folders with a changed entry are computed."""

    def __init__(self, hash_name: str) -> None:
        self._hash_name = hash_name
        self._files: Mapping[str, Node] = {}
        self._entries: dict[str, dict[bytes, bytes]] = {"": {}}
        self._found: dict[str, tuple[str, bytes]] = {}

    def tree_of(self, files: Mapping[str, Node]) -> tuple[str, dict[str, bytes]]:
        """The id of the tree, and the content of it and each subtree, the top last. ``files``: by path, kept, not to be changed."""
        if files != self._files or not self._found:
            before, self._files = self._files, files
            changed = {"": None} | dict.fromkeys(self._take_changes(before, files))
            for folder in sorted(changed, key=lambda each: each.count("/") + bool(each), reverse=True):
                self._compute(folder)
        return self._found[""][0], dict(self._found.values())

    def _take_changes(self, before: Mapping[str, Node], files: Mapping[str, Node]) -> Iterator[str]:
        """Take over what differs; the folders concerned, with those above them."""
        known = before.get
        for path in [path for path, node in files.items() if known(path) != node] + [*before.keys() - files.keys()]:
            folder, _, name = path.rpartition("/")
            if (node := files.get(path)) is not None:
                _add_entry(self._entries.setdefault(folder, {}), name, node.mode, node.oid)
            else:
                self._entries[folder].pop(os.fsencode(name), None)
            while folder:
                yield folder
                folder = folder.rpartition("/")[0]

    def _compute(self, folder: str) -> None:
        entries, (above, _, name) = self._entries.setdefault(folder, {}), folder.rpartition("/")
        self._found.pop(folder, None)  # what is computed last comes last: a tree after those below it
        if folder and not entries:
            del self._entries[folder]
            self._entries.get(above, {}).pop(os.fsencode(name) + b"/", None)
            return
        content = b"".join(entries[key] for key in sorted(entries))
        oid = object_id("tree", content, self._hash_name)
        self._found[folder] = oid, content
        if folder:
            _add_entry(self._entries.setdefault(above, {}), name, "40000", oid)


def commit_content(tree: str, parents: Sequence[str], message: str, at: datetime) -> bytes:
    """A commit with the server as its author, so that no user name is needed. Empty ``parents`` are ignored."""
    who = f"wfe-mcp <wfe-mcp@localhost> {int(at.timestamp())} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents if parent), f"author {who}", f"committer {who}"]
    return "\n".join([*lines, "", message]).encode()


def entries_in(tree: bytes, hash_name: str) -> dict[str, Node]:
    """The entries of a tree's content, by name."""
    length = hashlib.new(hash_name).digest_size
    entries: dict[str, Node] = {}
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        at = end + 1 + length
        entries[os.fsdecode(name)] = Node(mode.decode().zfill(6), tree[end + 1 : at].hex())
    return entries


def read_loose(objects: Path, oid: str) -> tuple[str, bytes] | None:
    """Kind and content of a loose object; None where it is not loose."""
    try:
        header, _, content = zlib.decompress((objects / oid[:2] / oid[2:]).read_bytes()).partition(b"\0")
    except (OSError, zlib.error):
        return None
    return header.split(b" ")[0].decode("ascii", "replace"), content


def loose(repo: Repository, oid: str) -> tuple[str, bytes] | None:
    """The same of a repository, where ``oid`` is the full id of an object and its bytes say so."""
    object_ = read_loose(repo.objects, oid) if _OID.fullmatch(oid) else None
    return object_ if object_ and object_id(cast("Kind", object_[0]), object_[1], repo.hash_name) == oid else None


def write_loose(objects: Path, oid: str, kind: Kind, content: bytes, *, durable: bool = True) -> None:
    """Write a loose object, unless it exists already. ``durable``: for git's own store, with the ref written next."""
    there = os.path.join(objects, oid[:2], oid[2:])
    if _is_renewed(there, always=durable):
        return
    place = Path(there)
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = place.with_name(f"tmp_obj_{secrets.token_hex(6)}")
    data = zlib.compress(b"%s %d\0" % (kind.encode(), len(content)) + content, 1)
    try:
        with os.fdopen(os.open(aside, _NEW, 0o444), "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                write_out(file.fileno(), os.path.join(objects, os.pardir, "refs"))
        aside.replace(place)
    except OSError:
        with suppress(OSError):
            aside.chmod(0o644)  # Windows removes no read-only file,
            aside.unlink(missing_ok=True)
        if not os.path.exists(there):  # and replaces none: another process was first
            raise


def _is_renewed(there: str, *, always: bool) -> bool:
    """Whether the object exists, and is new: what removes old ones, git's garbage collection and ``prune``, keeps it then."""
    try:
        if time.time() - os.stat(there).st_mtime > _RENEWED_S or always:
            os.utime(there)
            os.stat(there)  # what sets a time may find the file before a rename, and set it after
    except OSError:  # it does not exist, or was removed just now
        return False
    return True


class Outbox:
    """Objects to write to the store of ``repo``. ``known``: ids that certainly exist."""

    def __init__(self, repo: Repository, known: set[str]) -> None:
        self._repo = repo
        self._known = known
        self._absent: set[str] = set()
        self._waiting: dict[str, tuple[Kind, bytes]] = {}

    def add(self, kind: Kind, content: bytes, oid: str = "") -> str:
        """Add an object; its id."""
        oid = oid or object_id(kind, content, self._repo.hash_name)
        if oid not in self._known:
            self._waiting[oid] = kind, content
        return oid

    def add_tree(self, files: Mapping[str, Node]) -> str:
        """Add the trees of ``files``, by path; the id of the topmost."""
        tree, trees = Trees(self._repo.hash_name).tree_of(files)
        for oid, content in trees.items():
            self.add("tree", content, oid)
        return tree

    def missing(self, oids: Mapping[str, object]) -> set[str]:
        """Those of ``oids`` not known to exist; when there are many, git looks them up."""
        unknown = {oid for oid in oids if oid not in self._known}
        asked = unknown - self._absent
        if len(asked) <= _FEW:
            return unknown
        there = _known_to_git(self._repo, asked)
        self._known |= there
        self._absent |= asked - there
        return unknown - there

    def send(self) -> None:
        """Write the added objects, durably with the ref that names them. Refuses ``unavailable`` where that fails."""
        waiting, self._waiting = self._waiting, {}
        if len(waiting) > MANY or (waiting and self._repo.is_shared):
            pack = _pack(waiting, self._repo.hash_name)
            output_of(self._repo.root, *DURABLE, "index-pack", "--stdin", stdin=pack)
        else:
            for oid, (kind, content) in waiting.items():
                try:
                    write_loose(self._repo.objects, oid, kind, content)
                except OSError as error:
                    raise Refused(
                        "unavailable", f"The object {oid[:12]} could not be written: {error}.", _HINT
                    ) from error
        self._known |= waiting.keys()


_HINT = "Check free space and permissions, then try again."


def _add_entry(entries: dict[bytes, bytes], name: str, mode: str, oid: str) -> None:
    """Add an entry. Git sorts a folder as if its name ended in a slash."""
    encoded = os.fsencode(name)
    entries[encoded + b"/" if mode == "40000" else encoded] = b"%s %s\0%s" % (
        mode.encode(),
        encoded,
        bytes.fromhex(oid),
    )


def _known_to_git(repo: Repository, oids: set[str]) -> set[str]:
    asked = "".join(f"{oid}\n" for oid in sorted(oids)).encode()
    done = run_git(repo.root, "cat-file", "--batch-check", stdin=asked)
    lines = done.stdout.decode().splitlines() if done is not None else []
    return {line.split(" ")[0] for line in lines if not line.endswith(" missing")}


def _pack(waiting: Mapping[str, tuple[Kind, bytes]], hash_name: str) -> bytes:
    """A pack of whole objects: a header, each object as its kind, size and compressed bytes, and a hash over all."""
    parts = [b"PACK" + struct.pack(">II", 2, len(waiting))]
    for kind, content in waiting.values():
        size = len(content)
        first, size = _NUMBERS[kind] << 4 | size & 15, size >> 4
        numbers = bytearray()
        while size:
            numbers.append(first | 128)
            first, size = size & 127, size >> 7
        numbers.append(first)
        parts += [bytes(numbers), zlib.compress(content, 1)]
    body = b"".join(parts)
    return body + hashlib.new(hash_name, body).digest()


_MOST_PACKED_BYTES = 1_000_000
_NOT_PLAIN = (b"refstorage", b"sharedrepository")
"""Configuration keys that mean another ref store, or other permissions."""
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

OWN_BRANCHES = "refs/worktree/heads/"
"""A branch of one work tree alone: what a developer's clone has checked out, where the server holds a copy of it."""


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
        if ref.startswith(OWN_BRANCHES):
            commit = (git / ref).read_text(encoding="ascii").strip() if (git / ref).is_file() else ""
            return Head(ref.removeprefix(OWN_BRANCHES), commit)
        if not ref.startswith("refs/heads/") or ref == text or ".." in ref:
            return None
        return _branch_of(common, ref)
    except (OSError, ValueError):
        return None


def _branch_of(common: Path, ref: str) -> Head | None:
    name = ref.removeprefix("refs/heads/")
    refuse_pipes(str(common), (ref,))
    try:
        commit = (common / ref).read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        packed = common / "packed-refs"
        if not packed.exists():
            return Head(name, "")
        if packed.stat().st_size > _MOST_PACKED_BYTES:
            return None
        match = re.search(rb"^([0-9a-f]+) " + re.escape(ref.encode()) + rb"$", packed.read_bytes(), re.MULTILINE)
        return Head(name, match[1].decode() if match else "")
    return Head(name, commit) if _OID.fullmatch(commit) else None


def known_commit(common: Path, ref: str) -> str | None:
    """The commit of a ref in the git directory ``common``; empty where it does not exist, None where only git knows it."""
    try:
        if (common / "reftable").exists() or b"refstorage" in (common / "config").read_bytes().lower():
            return None
        head = _branch_of(common, ref)
    except (OSError, ValueError):
        return None
    return None if head is None else head.commit


def commit_at(root: Path, ref: str) -> str:
    """The commit that ``ref`` names in its own file; ``""`` where only git knows it."""
    git = _plain(root)
    try:
        return (git / ref).read_text(encoding="ascii").strip() if git else ""
    except (OSError, ValueError):
        return ""


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
    git = f"{root}{os.sep}.git"
    if os.name == "nt" or not os.path.isfile(f"{git}/HEAD") or not os.path.isdir(f"{git}/refs/heads"):
        return None
    return None if os.path.exists(f"{git}/commondir") or os.path.exists(f"{git}/reftable") else Path(git)


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
