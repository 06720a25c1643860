"""What the base of a project brought into the files of a phase: merged or rebased in, it is no work of the phase.

    tip ── … ── commit ── … ── since ── …     the base's own line: the first parents of the commit that the server fetched
                HEAD has it    the commit at the start of the phase, or of the run, has it

A changed file came from the base where the base changed it between the two, it was as ``since`` has it, and it is as
``commit`` has it, line ends aside. One that an earlier phase changed too came from both: it is no change of this one where it
is what the server's own merge gives, of the file at the start and at ``commit``, with ``since`` as their ancestor.

Rule: an agent can write to the repository, git's own files included. So nothing counts by a name, and no object whose bytes
do not have its id. Of the graph, only that nothing newer than ``since`` was there at the start has to be true, and it is made
sure of; which commit HEAD has may be a lie: any place of the line after ``since`` is of the base.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.git.commits import is_as_stored
from wfe_mcp.delivery.git.merges import clean_merges
from wfe_mcp.gates.scene import Base, BaseFiles
from wfe_mcp.workspace.files.paths import readable
from wfe_mcp.workspace.git.batch import read_objects, sizes
from wfe_mcp.workspace.git.command import Repository, require_repository
from wfe_mcp.workspace.git.objects import Node, object_id
from wfe_mcp.workspace.git.repository import first_parents, head, history
from wfe_mcp.workspace.git.trees import PathChange, compare

_COMMIT = re.compile(rb"tree ([0-9a-f]+)\n(?:parent ([0-9a-f]+)\n)?")
"""The tree and the first parent, with which a commit begins."""
_PARENTS = re.compile(rb"^parent ([0-9a-f]+)$", re.MULTILINE)
_MOST_BYTES, _MOST_MERGES = 1_000_000, 100
"""A larger file counts as changed; so do all that both sides changed, where there are more: one takes 10 to 20 ms."""


def files_from_base(
    root: Path, base_of: Callable[[], Base | None], heads: Sequence[str | None], changes: Sequence[PathChange]
) -> BaseFiles | None:
    """Those of ``changes`` that the base brought or changed too; None where there are none.

    ``heads``: the commit at the start of the phase, or of the run, and others that the run had before: an agent can have moved HEAD back.
    """
    now, starts = head(root), list(dict.fromkeys(filter(None, heads)))
    if now is None or heads[0] in {None, now} or (base := base_of()) is None:
        return None
    repo = require_repository(root)
    try:
        line = _own_line(root, repo, first_parents(root, base.tip, *starts))
        newer = len(first_parents(root, base.tip, now)) - 1
        if not 0 <= newer < len(line) - 1 or not _is_newest(root, repo, line[-1][0], starts):
            return None
        (since, old_tree), (commit, new_tree) = line[-1], line[newer]
        of_base = {change.path: change for change in compare(repo, old_tree, new_tree)}
        moves = [(change, of_base[path]) for change in changes if (path := f"{repo.prefix}{change.path}") in of_base]
        plain = _without_crlf(root, repo, {of.old.oid for _, of in moves if of.old is not None})
        brought = [
            (change, of)
            for change, of in moves
            if of.old == (change.old and change.old._replace(oid=plain.get(change.old.oid, change.old.oid)))
            and _is_as_stored(root, change, of.new)
        ]
    except Refused:  # an object is not there, or its bytes have another id
        return None
    paths, merged = sorted(readable(change.path) for change, _ in brought), list[str]()
    with suppress(Refused, OSError):  # what cannot be merged here counts
        merged = _merged_paths(root, repo, [*{*moves} - {*brought}])
    both = sorted({readable(change.path) for change, _ in moves}.difference(paths, merged))
    if not paths and not merged and not both:
        return None
    remedy = base.remedy if base.remedy and not base.has_merged(since, commit) else ""
    return BaseFiles(base.name, since, commit, paths, merged, both, remedy)


def _own_line(root: Path, repo: Repository, commits: Sequence[str]) -> list[tuple[str, str]]:
    """Each of ``commits`` with its tree, while each is the first parent of the one before and its bytes have its id."""
    line: list[tuple[str, str]] = []
    parent = commits[0] if commits else ""
    for commit, stored in zip(commits, read_objects(root, commits) if commits else (), strict=True):
        if commit != parent or stored is None or object_id("commit", stored[1], repo.hash_name) != commit:
            return []
        facts = _COMMIT.match(stored[1])
        line.append((commit, facts[1].decode() if facts else ""))
        parent = facts[2].decode() if facts and facts[2] else ""
    return line


def _is_newest(root: Path, repo: Repository, since: str, starts: Sequence[str]) -> bool:
    """Whether ``since`` is in the history of ``starts``, and all else that they have of the base's line is older.

    A newer commit of the line is in the history neither of ``since`` nor of what that has.
    """
    ends = _ends(root, repo, starts, *starts, f"^{since}")
    older = ends - {since}
    return since in ends and all(
        end in _ends(root, repo, [since], "--ancestry-path", since, f"^{end}") for end in older
    )


def _ends(root: Path, repo: Repository, tips: Sequence[str], *span: str) -> set[str]:
    """Where the histories of ``tips`` lead to by the commits of ``span`` whose bytes have their id."""
    ends, commits = set(tips), history(root, *span)
    for commit, stored in zip(commits, read_objects(root, commits) if commits else (), strict=True):
        if commit in ends and stored is not None and object_id("commit", stored[1], repo.hash_name) == commit:
            ends.remove(commit)
            ends.update(parent.decode() for parent in _PARENTS.findall(stored[1].partition(b"\n\n")[0]))
    return ends


def _merged_paths(root: Path, repo: Repository, moves: Sequence[tuple[PathChange, PathChange]]) -> list[str]:
    """The files of ``moves`` that are, byte for byte, what the server's own merge makes of both sides without a conflict."""
    sides = [
        (change, of.old.oid, change.old.oid, of.new.oid)
        for change, of in moves
        if change.old and change.new and of.old and of.new and change.old.mode.startswith("100")
        if change.old.mode == change.new.mode == of.old.mode == of.new.mode
    ]
    names = sorted({oid for _, *oids in sides for oid in oids})
    if not names or len(sides) > _MOST_MERGES:
        return []
    small = [
        oid for oid, size in zip(names, sizes(root, names), strict=True) if size is not None and size <= _MOST_BYTES
    ]
    blobs = zip(small, read_objects(root, small) if small else (), strict=True)
    texts = {
        oid: blob[1]
        for oid, blob in blobs
        if blob is not None and b"\0" not in blob[1] and object_id("blob", blob[1], repo.hash_name) == oid
    }
    return sorted(
        readable(change.path)
        for change, *oids in sides
        if texts.keys() >= {*oids} and _is_merge(root, repo, change, *(texts[oid] for oid in oids))
    )


def _is_merge(root: Path, repo: Repository, change: PathChange, ancestor: bytes, start: bytes, theirs: bytes) -> bool:
    """Whether the file is a merge of ``start`` and ``theirs``, where a checkout may have made the CRLF of ``start``."""
    start = start if b"\r" in ancestor + theirs else start.replace(b"\r\n", b"\n")
    merges = (object_id("blob", merged, repo.hash_name) for merged in clean_merges(root, ancestor, start, theirs))
    return any(_is_as_stored(root, change, change.new and change.new._replace(oid=oid)) for oid in merges)


def _is_as_stored(root: Path, change: PathChange, stored: Node | None) -> bool:
    """Whether the file is the stored one; by line ends only while it still has the bytes that are judged."""
    try:
        return change.new == stored or is_as_stored(root, change.path, change.new, stored)
    except OSError:
        return False


def _without_crlf(root: Path, repo: Repository, oids: Collection[str]) -> Mapping[str, str]:
    """The id of each blob by that of its content with CRLF for LF: what a checkout on Windows writes."""
    names = sorted(oids)
    blobs = zip(names, read_objects(root, names) if names else (), strict=True)
    return {
        object_id("blob", blob[1].replace(b"\n", b"\r\n"), repo.hash_name): name
        for name, blob in blobs
        if blob is not None and b"\r" not in blob[1] and object_id("blob", blob[1], repo.hash_name) == name
    }
