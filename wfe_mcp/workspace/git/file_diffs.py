"""The differences between two trees of ``tree_hash`` as a person reviews them: files, and the lines that differ.

    names, modes, ids   the stored trees
    content             git's objects, else the project's file while its bytes have that id
    lines               compared here

Rules:
1. No configuration, attribute, filter, external diff, textconv or replace ref has an effect: git only prints objects, and
   what it prints counts only where its bytes have the id.
2. A deleted and a new file with the same bytes, or with mostly the same lines, are one renamed file.
3. Content that is binary, too large or no longer stored is named, never left out silently.
4. Watched files are not among them (``all_diffs``): they are named without their content, which may be a secret.

As one text, for a model that reviews them, nothing that the project or git's index says hides a file either, and what has no lines is
named: binary, large, unknown, and the ignored files that a check may read.
"""

import difflib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.texts import one_line
from wfe_mcp.workspace.files.paths import match_globs, readable
from wfe_mcp.workspace.git.batch import entries_below, read_objects, sizes
from wfe_mcp.workspace.git.command import Repository, is_set, require_repository
from wfe_mcp.workspace.git.names import is_ours
from wfe_mcp.workspace.git.objects import Node, object_id
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.stored_form import has_plain, plain_oid, stored_alike
from wfe_mcp.workspace.git.trees import PathChange, compare
from wfe_mcp.workspace.git.working_tree import changes_between, counts, parts_of

MOST_BYTES = 1_000_000
"""Files above this size are compared by their id alone."""
MOST_CHARS = 60_000
MOST_FILES = 400
"""Beyond this number, files are listed without their lines."""
_CONTEXT = 3
_MOST_PAIRS = 16_000_000
"""Comparing takes time in the product of the lines; beyond this all old lines are removed, all new ones added."""
_MOST_MATCHES = 60_000
"""Pairs of equal lines, all gone through for each place that differs. Beyond this, frequent lines are compared with their neighbours only."""
_ALIKE = 0.6
_MOST_RENAMES = 40

Status = Literal["added", "deleted", "modified", "renamed", "mode"]
Kind = Literal["text", "binary", "large", "submodule", "unknown"]


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that differ, with context. Each line begins with a space, ``+`` or ``-``; line numbers count from 1."""

    old_start: int
    new_start: int
    lines: tuple[str, ...]

    @property
    def header(self) -> str:
        """The line above it, as ``git diff`` writes it: where it begins in both files, and how many lines it has there."""
        olds, news = (sum(line[0] in signs for line in self.lines) for signs in (" -", " +"))
        return f"@@ -{self.old_start},{olds} +{self.new_start},{news} @@"


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One file that differs. Ids and modes are git's, empty where there is no file."""

    path: str
    status: Status
    kind: Kind = "text"
    """Other than ``text``: why there are no lines. ``unknown``: the content is not stored any more."""
    old_path: str = ""
    """Where it was, if renamed."""
    added: int = 0
    removed: int = 0
    old_mode: str = ""
    new_mode: str = ""
    old_oid: str = ""
    new_oid: str = ""
    hunks: tuple[Hunk, ...] = ()


class _Change(NamedTuple):
    """A path that differs. A node without mode and id: there is no file."""

    path: str
    old: Node
    new: Node


_NONE = Node("", "")
Watched: TypeAlias = dict[Literal["new", "changed", "removed"], tuple[str, ...]]


def file_diffs(root: Path, old: str, new: str) -> tuple[FileDiff, ...]:
    """The files below ``root`` that differ between two trees, by path. Refuses trees that are no longer stored."""
    return all_diffs(root, old, new)[0]


def all_diffs(root: Path, old: str, new: str) -> tuple[tuple[FileDiff, ...], Watched]:
    """``file_diffs``, and the watched files, which git ignores, that differ. Refuses as it does."""
    files, watched = changes_between(root, old, new)
    return _read(root, files) if files else (), _by_how(watched)


def _read(root: Path, found: Sequence[PathChange]) -> tuple[FileDiff, ...]:
    repo = require_repository(root)
    changes = [_Change(change.path, change.old or _NONE, change.new or _NONE) for change in found]
    contents = _Contents(repo, changes[:MOST_FILES])
    renames = _renames(changes[:MOST_FILES], contents)
    gone = {rename.path for rename in renames.values()}
    diffs = [
        _diff(change, renames.get(change.path), contents, is_read=number < MOST_FILES)
        for number, change in enumerate(changes)
        if change.path not in gone
    ]
    return tuple(sorted(diffs, key=lambda each: each.path))


def uncommitted_paths(root: Path, files: Sequence[FileDiff]) -> tuple[tuple[str, ...], str]:
    """The paths of ``files`` that HEAD does not have as they are, and HEAD's commit; empty before the first one.

    A file whose line ends git would change when it is added counts as committed.
    """
    commit = head(root) or ""
    if not files:
        return (), commit
    held: dict[str, str] = {}
    with suppress(Refused):  # what cannot be read counts as not committed, until the next look
        held = _blobs_of(root, commit) if commit else held
    named = ((file, held.get(file.path, "")) for file in files)
    return tuple(e.path for e, oid in named if e.new_oid != oid and not has_plain(root, e.path, oid)), commit


def beside_head(root: Path, tree: str, diffs: Sequence[FileDiff], starts: Sequence[str] = ()) -> tuple[FileDiff, ...]:
    """The files of ``tree`` that HEAD does not have as they are: what a commit of ``tree`` has besides the diffs ``diffs``, also
    of a file that had begun to differ from HEAD before they did. ``starts``: the commits on which those of the run itself, of which
    HEAD may be one, were made. Refuses a tree that is no longer stored.

    Submodules, bytecode, what git stores in another form, and with a sparse checkout what is absent, stay there as HEAD has them.
    """
    repo, commit = require_repository(root), head(root)
    top = read_objects(root, [f"{commit}:{repo.prefix.rstrip('/')}"])[0] if commit else None
    base = "" if top is None else object_id("tree", top[1], repo.hash_name)
    is_sparse = is_set(repo.root, "core.sparsecheckout", "false")
    began = [{} if commit is None else _blobs_of(root, commit), *(_blobs_of(root, start) for start in starts)]
    own = {path for held in began for path in _began_at(root, held, diffs)}
    differing = compare(repo, base, parts_of(tree)[0])
    modules = [f"{change.path}/" for change in differing if change.old is not None and change.old.mode == "160000"]
    changes = [
        change
        for change in differing
        if readable(change.path) not in own and not is_ours(change.path) and counts(change.path)
        if not f"{change.path}/".startswith(tuple(modules)) and (change.new is not None or not is_sparse)
    ]
    alike = stored_alike(root, changes)
    return _read(root, [change for change in changes if change.path not in alike])


def _began_at(root: Path, held: Mapping[str, str], diffs: Sequence[FileDiff]) -> set[str]:
    """The paths of the diffs that began at what a commit has (``held``); line ends that git would change do not count."""
    was = [(diff, held.get(diff.old_path or diff.path, "")) for diff in diffs]
    odd = sorted({diff.old_oid for diff, oid in was if diff.old_oid and oid not in {"", diff.old_oid}})
    plain = {
        oid: plain_oid(object_[1], _HASHES[len(oid)])
        for oid, object_ in zip(odd, read_objects(root, odd), strict=True)
        if object_ is not None
    }
    began = [diff for diff, oid in was if oid in {diff.old_oid, plain.get(diff.old_oid)}]
    return {path for diff in began for path in (diff.path, diff.old_path)}


@lru_cache(maxsize=4)
def _blobs_of(root: Path, commit: str) -> dict[str, str]:
    """The blob id of each file of ``commit``, by path. Kept for the next look: a page is loaded several times."""
    below = require_repository(root).prefix.rstrip("/")
    return {readable(path): node.oid for path, node in entries_below(root, f"{commit}:{below}").items()}


_HASHES = {40: "sha1", 64: "sha256"}
"""By the length of an id."""


def _by_how(changes: Sequence[PathChange]) -> Watched:
    return {
        "new": tuple(readable(change.path) for change in changes if change.old is None),
        "changed": tuple(
            readable(change.path) for change in changes if change.old is not None and change.new is not None
        ),
        "removed": tuple(readable(change.path) for change in changes if change.new is None),
    }


class _Contents:
    """The bytes of the files of ``changes``, by blob id; None for what is too large. Ids that are missing are unknown."""

    def __init__(self, repo: Repository, changes: Sequence[_Change]) -> None:
        self._repo = repo
        self.by_oid: dict[str, bytes | None] = {}
        for change in changes:
            if change.new.oid and change.new.mode != "160000":
                self._from_disk(change.path, change.new.oid)
        wanted = {
            node.oid for change in changes for node in (change.old, change.new) if node.oid and node.mode != "160000"
        }
        with suppress(Refused):  # what git cannot read is unknown
            self._from_git(sorted(wanted - self.by_oid.keys()))

    def _from_disk(self, path: str, oid: str) -> None:
        place = f"{self._repo.root}/{path}"
        try:
            if os.lstat(place).st_size > MOST_BYTES:
                return
            is_link = os.path.islink(place)  # noqa: PTH114
            content = os.readlink(os.fsencode(place)) if is_link else Path(place).read_bytes()  # noqa: PTH115
        except OSError:
            return
        if object_id("blob", content, self._repo.hash_name) == oid:
            self.by_oid[oid] = content

    def _from_git(self, oids: Sequence[str]) -> None:
        known = [(oid, size) for oid, size in zip(oids, sizes(self._repo.root, oids), strict=True) if size is not None]
        self.by_oid |= dict.fromkeys(oid for oid, size in known if size > MOST_BYTES)
        small = [oid for oid, size in known if size <= MOST_BYTES]
        for oid, object_ in zip(small, read_objects(self._repo.root, small), strict=True):
            if object_ is not None and object_id("blob", object_[1], self._repo.hash_name) == oid:
                self.by_oid[oid] = object_[1]

    def text(self, oid: str) -> list[str] | None:
        """The lines of a text file, none for no file; None for anything else. Bytes that are not UTF-8 are written out."""
        content = self.by_oid.get(oid, None) if oid else b""
        if content is None or b"\0" in content:
            return None
        return content.decode(errors="backslashreplace").split("\n")

    def kind(self, change: _Change) -> Kind:
        """Whether the lines of both sides can be compared, or why not."""
        if "160000" in {change.old.mode, change.new.mode}:
            return "submodule"
        sides = [oid for oid in (change.old.oid, change.new.oid) if oid]
        if any(oid not in self.by_oid for oid in sides):
            return "unknown"
        contents = [self.by_oid[oid] for oid in sides]
        if any(content is None for content in contents):
            return "large"
        return "binary" if any(b"\0" in (content or b"") for content in contents) else "text"


def _renames(changes: Sequence[_Change], contents: _Contents) -> dict[str, _Change]:
    """New path → the deleted file that it was."""
    gone = [change for change in changes if not change.new.oid and change.old.mode != "160000"]
    new = [change for change in changes if not change.old.oid and change.new.mode != "160000"]
    renames: dict[str, _Change] = {}
    for change in new:
        same = next((removed for removed in gone if removed.old.oid == change.new.oid), None)
        if same is not None:
            renames[change.path] = same
            gone.remove(same)
    if len(gone) * len(new) > _MOST_RENAMES * _MOST_RENAMES:
        return renames
    before = {removed.old.oid: _line_counts(contents.text(removed.old.oid)) for removed in gone}
    for change in new:
        lines = _line_counts(None if change.path in renames else contents.text(change.new.oid))
        scores = [(_likeness(before[removed.old.oid], lines), removed) for removed in gone]
        best = max(scores, key=lambda each: each[0], default=(0.0, None))
        if best[1] is not None and best[0] >= _ALIKE:
            renames[change.path] = best[1]
            gone.remove(best[1])
    return renames


def _line_counts(lines: list[str] | None) -> Counter[str]:
    """How often each line is there, without empty ones."""
    return Counter(line for line in lines or () if line.strip())


def _likeness(old: Counter[str], new: Counter[str]) -> float:
    """The share of lines that both have: 0 to 1."""
    both = old.total() + new.total()
    return 2 * (old & new).total() / both if both else 0.0


def _diff(change: _Change, was: _Change | None, contents: _Contents, *, is_read: bool) -> FileDiff:
    if was is not None:
        change = change._replace(old=was.old)
    status: Status = (
        "renamed"
        if was is not None
        else "added"
        if not change.old.oid
        else "deleted"
        if not change.new.oid
        else "mode"
        if change.old.oid == change.new.oid
        else "modified"
    )
    facts = FileDiff(
        readable(change.path),
        status,
        old_path="" if was is None else readable(was.path),
        old_mode=change.old.mode,
        new_mode=change.new.mode,
        old_oid=change.old.oid,
        new_oid=change.new.oid,
    )
    if change.old.oid == change.new.oid:
        return facts
    kind = contents.kind(change) if is_read else "large"
    if kind != "text":
        return replace(facts, kind=kind)
    hunks = _hunks(contents.text(change.old.oid) or [], contents.text(change.new.oid) or [], change)
    lines = [line for hunk in hunks for line in hunk.lines]
    return replace(
        facts,
        hunks=hunks,
        added=sum(line.startswith("+") for line in lines),
        removed=sum(line.startswith("-") for line in lines),
    )


def _hunks(old: list[str], new: list[str], change: _Change) -> tuple[Hunk, ...]:
    """The groups of lines that differ; a last line without a line break is marked as git marks it."""
    old, new = _without_end(old, has_file=bool(change.old.oid)), _without_end(new, has_file=bool(change.new.oid))
    first = next((at for at, (old_line, other) in enumerate(zip(old, new, strict=False)) if old_line != other), None)
    first = min(len(old), len(new)) if first is None else first
    same = 0
    while same < min(len(old), len(new)) - first and old[-1 - same] == new[-1 - same]:
        same += 1
    begin, end = max(0, first - _CONTEXT), max(0, same - _CONTEXT)
    old_lines, other = old[begin : len(old) - end], new[begin : len(new) - end]
    if len(old_lines) * len(other) > _MOST_PAIRS:
        return (Hunk(begin + 1, begin + 1, (*(f"-{line}" for line in old_lines), *(f"+{line}" for line in other))),)
    hunks: list[Hunk] = []
    counts = Counter(other)
    has_many = sum(counts[line] for line in old_lines) > _MOST_MATCHES
    around = first - begin, same - end
    matcher = difflib.SequenceMatcher(None, _keys(old_lines, *around), _keys(other, *around), autojunk=has_many)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        lines: list[str] = []
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [f" {line}" for line in old_lines[i1:i2]]
            else:
                lines += [*(f"-{line}" for line in old_lines[i1:i2]), *(f"+{line}" for line in other[j1:j2])]
        hunks.append(Hunk(begin + group[0][1] + 1, begin + group[0][3] + 1, tuple(lines)))
    return tuple(hunks)


def _keys(lines: list[str], above: int, below: int) -> list[str | int]:
    """What is compared: the context ``above`` and ``below`` is known to be the same, so its places stand for its lines."""
    return [*range(above), *lines[above : len(lines) - below], *range(-below, 0)]


def _without_end(lines: list[str], *, has_file: bool) -> list[str]:
    if not has_file:
        return []
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], f"{lines[-1]}\n\\ no line break at the end"]


def diff_text(root: Path, old: str, new: str, ignore_globs: Sequence[str] = (), most_chars: int = MOST_CHARS) -> str:
    """What differs below ``root``; empty where nothing does. Refuses trees that are no longer stored."""
    files, watched_files = all_diffs(root, old, new)
    parts = [
        "".join(f"{line}\n" for line in _lines(file)) for file in files if not match_globs(file.path, ignore_globs)
    ]
    parts += [
        f"{how}, ignored by git or unreadable: {one_line(path)}\n"
        for how, paths in watched_files.items()
        for path in paths
        if not match_globs(path, ignore_globs)
    ]
    whole = "".join(parts)
    cut = f"{whole[:most_chars]}\n[cut: {most_chars:,} of {len(whole):,} characters]"
    return whole if len(whole) <= most_chars else cut


def _lines(change: FileDiff) -> Iterator[str]:
    name = f"{change.old_path} -> {change.path}" if change.old_path else change.path
    why = "" if change.kind == "text" else f", not shown: {change.kind}"
    modes = f" (mode {change.old_mode} -> {change.new_mode})" if change.status == "mode" else ""
    yield f"{change.status} {one_line(name)}{modes}{why}"
    for hunk in change.hunks:
        yield hunk.header
        yield from hunk.lines
