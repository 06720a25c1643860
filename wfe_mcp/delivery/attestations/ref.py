"""The ref of a repository in which attestations travel: commits that only add files.

    refs/wfe/attestations ──► <2 of the tree's id>/<the rest of it>/<sha256 of the envelope>.json

Rules:
1. A file is named by its bytes, so two histories of the ref are merged by taking all files of both.
2. Objects are written first, the ref last and by compare-and-swap: kill -9 leaves all of an addition or none, and of two
   processes both additions stay.
3. No index, work tree, branch or hook is used. A file that is not where its bytes say is not read.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.delivery.git.commits import contents
from wfe_mcp.workspace.git.batch import read_objects
from wfe_mcp.workspace.git.command import require_repository, run_git, text_of
from wfe_mcp.workspace.git.objects import Node, Outbox, commit_content
from wfe_mcp.workspace.git.own_refs import advance_ref
from wfe_mcp.workspace.git.repository import commit_of, is_ancestor

REF = "refs/wfe/attestations"
_COPIES = "refs/remotes/*/wfe/attestations"
_MESSAGE = "wfe-mcp: attestations\n"


def tip(root: Path) -> str:
    """The commit that the ref names; empty where there is no such ref."""
    return commit_of(root, REF)


def add(root: Path, envelopes: Iterable[tuple[str, bytes]], at: datetime) -> str:
    """Add envelopes, each with the tree it is about; the commit that has them all. Those that are there are not added again.

    Refuses ``unavailable`` where the ref cannot be written.
    """
    files = {_path(tree, raw): raw for tree, raw in envelopes}
    return _extend_tree(root, files, (), at)


def merge(root: Path, other: str, at: datetime) -> str:
    """Add all that the commit ``other`` has, such as a remote's ref that was fetched; the commit that has both.

    Where one of the two contains the other, that one is it. Refuses ``unavailable``.
    """
    return _extend_tree(root, {}, (other,), at)


def bundles(root: Path) -> dict[str, list[bytes]] | None:
    """The envelopes by the tree they are about, of the ref and of its copies from remotes; None where there is no such ref."""
    refs = text_of(run_git(root, "for-each-ref", "--format=%(objectname)", REF, _COPIES)).split()
    if not refs:
        return None
    files = {path: node for ref in dict.fromkeys(refs) for path, node in contents(root, ref).files.items()}
    named = [(path, node) for path, node in files.items() if node.mode == "100644" and _tree_of(path)]
    raw_by_tree: dict[str, list[bytes]] = {}
    for (path, _), object_ in zip(named, read_objects(root, [node.oid for _, node in named]), strict=True):
        if object_ is not None and path.endswith(f"/{sha256_hex(object_[1])}.json"):
            raw_by_tree.setdefault(_tree_of(path), []).append(object_[1])
    return raw_by_tree


def has_copies(root: Path) -> bool:
    """Whether ``bundles`` reads what was fetched from a remote, which may have more by now."""
    return bool(text_of(run_git(root, "for-each-ref", "--count=1", _COPIES)))


def _extend_tree(root: Path, given: Mapping[str, bytes], others: Sequence[str], at: datetime) -> str:
    repo = require_repository(root)

    def make_commit(before: str) -> str:
        parents = [contents(root, commit) for commit in (before, *others)]
        files = {path: node for parent in reversed(parents) for path, node in parent.files.items()}
        kept = len(parents[0].files)
        outbox = Outbox(
            repo, {*(node.oid for node in files.values()), *(oid for parent in parents for oid in parent.trees)}
        )
        files |= {path: Node("100644", outbox.add("blob", raw)) for path, raw in given.items() if path not in files}
        if before and len(files) == kept and all(is_ancestor(root, other, before) for other in others):
            return before
        ahead = [other for other in others if before and is_ancestor(root, before, other)]
        if ahead or (others and not before):
            commit = (ahead or [*others])[0]
        else:
            commit = outbox.add("commit", commit_content(outbox.add_tree(files), (before, *others), _MESSAGE, at))
        outbox.send()
        return commit

    return advance_ref(root, REF, make_commit, "The attestations")


def _path(tree: str, raw: bytes) -> str:
    return f"{tree[:2]}/{tree[2:]}/{sha256_hex(raw)}.json"


def _tree_of(path: str) -> str:
    """The tree that a file is about, by its path; empty for another path."""
    first, _, rest = path.partition("/")
    second, _, name = rest.partition("/")
    return first + second if second and "/" not in name and len(first) == 2 else ""
