"""Commits made of approved files by plumbing: no working folder, index, hook or filter takes part in their content.

    approved tree ──► without what never gets in ──► with what is not in its view, as the parent has it ──► tree ──► commit

Rules:
1. A file has the bytes that were approved, its line ends as git stores them (.gitattributes, core.autocrlf), or the commit is
   refused: where git would store others (a filter, LFS, an encoding), this is output, with the paths. A filter of the
   repository's own configuration is not run, so its files, such as secrets that git-crypt encrypts, stay as the parent has them.
2. What the approved tree does not see stays as the parent has it: paths outside the project's folder, ``.wfe/``,
   submodules, bytecode, what a sparse checkout left out.
3. Author and committer are those of git's configuration.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.fault import DeliveryFault, reason_of
from wfe_mcp.workspace.files.paths import match_globs, readable
from wfe_mcp.workspace.files.staging import Staging
from wfe_mcp.workspace.git.batch import entries_below, read_objects
from wfe_mcp.workspace.git.command import Repository, is_set, require_repository, run_git, text_of
from wfe_mcp.workspace.git.file_facts import link_bytes
from wfe_mcp.workspace.git.names import is_ours
from wfe_mcp.workspace.git.objects import DURABLE, Node, Outbox, Trees, object_id
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.snapshot_files import left_out
from wfe_mcp.workspace.git.stored_form import filtered_paths, plain_oid, touched_paths, write_blobs
from wfe_mcp.workspace.git.trees import compare
from wfe_mcp.workspace.git.working_tree import SeenFiles, counts, parts_of, tree_hash

_SHOWN = 5
_OWN = b"40000 .wfe\0"
"""How the entry of the project's own folder begins in a tree."""


class Parent(NamedTuple):
    """What a commit has: its files by path from the top of the repository, and the ids of its trees."""

    files: Mapping[str, Node]
    trees: frozenset[str]


class PlannedCommit(NamedTuple):
    """The files of a commit to be. ``excluded``: approved paths that never get in. ``changed``: from the parent, from the top."""

    files: Mapping[str, Node]
    changed: tuple[str, ...]
    excluded: tuple[str, ...]


def contents(root: Path, commit: str) -> Parent:
    """The files of ``commit``; none of an empty name."""
    entries = entries_below(root, commit, folders=True) if commit else {}
    files = {path: node for path, node in entries.items() if node.mode != "040000"}
    return Parent(files, frozenset(node.oid for node in entries.values() if node.mode == "040000"))


def plan(
    root: Path, approved: str, ignored: Sequence[str], never: Sequence[str], parent: Parent, phase: str
) -> PlannedCommit:
    """What a commit of the files ``approved`` (a value of ``tree_hash``, taken without ``ignored``) on ``parent`` has.

    ``phase``: where they were approved, or judged.
    Raises DeliveryFault ``differs`` where the working folder has other files now.
    """
    repo = require_repository(root)
    seen = SeenFiles(root)
    look = seen.look
    now = seen.tree(ignored).files
    want = {change.path: change.new for change in compare(repo, "", parts_of(approved)[0]) if change.new is not None}
    differing = sorted(path for path in want.keys() | now.keys() if want.get(path) != now.get(path))
    if differing or look is None:
        raise DeliveryFault(
            f"The working folder is not what was approved: {list_paths(differing)}. "
            f"Put these files back and retry this phase, or retry {phase!r}, so that its gates judge the files of now.",
            "differs",
        )
    sparse = frozenset(left_out(look))
    excluded = {path: None for path in want if match_globs(path, never)}
    files = {f"{repo.prefix}{path}": node for path, node in want.items() if path not in excluded}
    # Without its repository a submodule looks like a folder: a tree with both would have two entries of one name.
    modules = tuple(f"{path}/" for path, node in parent.files.items() if node.mode == "160000")
    files = {path: node for path, node in files.items() if not path.startswith(modules)}
    inner = sorted(f"{repo.prefix}{path}" for path in look.inner if f"{repo.prefix}{path}" in files)
    if inner:
        raise DeliveryFault(
            f"These files are in a repository of their own, so git would not store them: {list_paths(inner)}. Ignore its folder in "
            ".gitignore, or commit it as a submodule yourself; then retry the phase that was approved.",
            "unfaithful",
        )
    for path, node in parent.files.items():
        below = path.removeprefix(repo.prefix)
        unseen = not path.startswith(repo.prefix) or node.mode == "160000" or is_ours(below) or below in sparse
        if unseen or not counts(below, ignored) or match_globs(below, never):
            files[path] = node
    changed = [path for path in files.keys() | parent.files.keys() if files.get(path) != parent.files.get(path)]
    return PlannedCommit(files, tuple(sorted(changed)), tuple(excluded))


def code_tree(root: Path, began: str | None = None) -> str:
    """The files of the folder as the next commit would have them, without ``.wfe/``, as ``tree_hash`` names them; empty without git.

    ``began``: the tree before the changes that the commit is for; None: no file that is filtered here is among them.
    This is what a person signs, and what ``verify`` finds in a clone. Where git would not store these files, the bytes on disk count.
    """
    whole = tree_hash(root)
    if whole is None:
        return ""
    repo, parent = require_repository(root), contents(root, head(root) or "")
    try:
        files, _ = _stored_files(repo, plan(root, whole, (), (), parent, ""), parent, touched_paths(root, began, whole))
    except (DeliveryFault, Refused):  # also a filter that fails; the delivery says why
        return whole
    below = {path.removeprefix(repo.prefix): node for path, node in files.items() if path.startswith(repo.prefix)}
    tree, _ = Trees(repo.hash_name).tree_of({path: node for path, node in below.items() if not is_ours(path)})
    watched = parts_of(whole)[1]
    return f"{tree}+{watched}" if watched else tree


def store(root: Path, planned: PlannedCommit, parent: Parent, changed: frozenset[str]) -> tuple[str, PlannedCommit]:
    """Write blobs and trees of ``planned``; the tree's id, and what it has. ``changed``: what the run has ``touched``.

    A file that only git's filters make another one stays as the parent has it. Raises DeliveryFault ``unfaithful``.
    """
    repo = require_repository(root)
    outbox = Outbox(repo, {*parent.trees, *(node.oid for node in parent.files.values())})
    files, others = _stored_files(repo, planned, parent, changed)
    for path, node in others.items():
        place = repo.top / path
        outbox.add("blob", link_bytes(str(place)) if node.mode == "120000" else place.read_bytes(), node.oid)
    tree = outbox.add_tree(files)
    outbox.send()
    differing = tuple(path for path in planned.changed if files.get(path) != parent.files.get(path))
    return tree, planned._replace(files=files, changed=differing)


def _stored_files(
    repo: Repository, planned: PlannedCommit, parent: Parent, touched: frozenset[str]
) -> tuple[dict[str, Node], dict[str, Node]]:
    """The files of a commit as git stores them, whose blobs are written; and the changed ones whose blobs are not, such as links."""
    files = dict(planned.files)
    new = {path: files[path] for path in planned.changed if path in files}
    unread = filtered_paths(repo.top, [path for path, node in new.items() if node.mode.startswith("100")])
    odd = {path for path in unread if path in touched or path not in parent.files}
    files |= {path: parent.files[path] for path in unread if path not in odd}
    new = {path: node for path, node in new.items() if path not in unread}
    plain = [path for path, node in new.items() if node.mode.startswith("100") and "\n" not in path]
    for path, blob in zip(plain, write_blobs(repo.root, plain), strict=True):
        before = parent.files.get(path)
        if blob == new[path].oid:
            continue
        if blob in {before and before.oid, _with_plain_ends(repo, path, new[path].oid)}:
            files[path] = Node(new[path].mode, blob)
        else:
            odd.add(path)
    if odd:
        raise DeliveryFault(
            f"Git would not store these files as they were approved, because of a filter, an encoding or an expanded $Id$ (.gitattributes, LFS): "
            f"{list_paths(sorted(odd))}. Write them as git stores them (git add --renormalize shows it) and retry the phase that was "
            "approved; or commit them yourself, then retry this phase.",
            "unfaithful",
        )
    others = new.keys() - plain
    return files, {path: new[path] for path in others if new[path].mode != "160000"}


def commit(
    root: Path, tree: str, parents: Sequence[str], message: str, at: datetime, author: Mapping[str, str] | None = None
) -> str:
    """Write a commit; its id, which is the same for the same arguments and configuration. ``author``: GIT_AUTHOR_* values.

    Raises DeliveryFault ``configuration`` where git knows no name for the author.
    """
    date = f"@{int(at.timestamp())} +0000"
    env = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, **(author or {})}
    words = [word for parent in parents if parent for word in ("-p", parent)]
    done = run_git(root, *DURABLE, "commit-tree", tree, *words, "-F", "-", stdin=message.encode(), env=env, ok=None)
    if done is None or done.returncode:
        reason = reason_of(done)
        raise DeliveryFault(
            f"The commit could not be written: {reason} Where git knows no name: git config user.name NAME; git config "
            "user.email ADDRESS. Then retry the phase.",
            "configuration",
        )
    return text_of(done)


def write_files(root: Path, files: Mapping[str, Node | None]) -> None:
    """Make the files at these paths, from ``root``, what they are in git, with the line ends that they have here; None removes one.

    No link is followed: a folder may have become one. Refuses ``path_outside_project``, with everything unchanged.
    """
    wanted = [(path, node) for path, node in files.items() if node is not None and node.mode != "160000"]
    makes_links = is_set(root, "core.symlinks", "true")
    with Staging(root, "revert") as stage:
        for path in (path for path, node in files.items() if node is None):
            stage.take_out(tuple(path.split("/")))
        for (path, node), object_ in zip(wanted, read_objects(root, [node.oid for _, node in wanted]), strict=True):
            content, parts = object_[1] if object_ is not None else b"", tuple(path.split("/"))
            if node.mode == "120000" and makes_links:
                stage.put_link(parts, os.fsdecode(content))
            else:
                mode = 0o755 if node.mode == "100755" else 0o644
                stage.put(parts, _as_here(root / path, content) if node.mode != "120000" else content, mode)
        stage.commit(over_links=True)


def _as_here(target: Path, content: bytes) -> bytes:
    """``content`` with CRLF where every line of ``target`` ends so: git has made them of what it stores."""
    old = target.read_bytes() if target.is_file() else b""
    ends = old.count(b"\r\n")
    return content.replace(b"\n", b"\r\n") if ends and ends == old.count(b"\n") and b"\r\n" not in content else content


def with_trailers(message: str, trailers: Mapping[str, str]) -> str:
    """``message``, without the trailers of these names that it has, and with these at its end."""
    names = tuple(f"{name.lower()}:" for name in trailers)
    kept = [line.rstrip() for line in message.strip().splitlines() if not line.lower().startswith(names)]
    while kept and not kept[-1]:
        kept.pop()
    lines = [f"{name}: {value}" for name, value in trailers.items() if value]
    return "\n".join([*kept, *([""] if kept and lines else []), *lines]) + "\n"


def list_paths(paths: Sequence[str]) -> str:
    """At most five paths, and how many more there are: the next step of a message comes after them."""
    more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
    return ", ".join(f"'{readable(path)}'" for path in paths[:_SHOWN]) + more


def is_as_stored(root: Path, path: str, now: Node | None, node: Node | None) -> bool:
    """Whether the file at ``path``, from ``root``, which is ``now``, is ``node`` but for line ends that git changes."""
    if now is None or node is None or now.mode != node.mode:
        return now == node
    repo = require_repository(root)
    return node.oid in {now.oid, _with_plain_ends(repo, f"{repo.prefix}{path}", now.oid)}


def _with_plain_ends(repo: Repository, path: str, oid: str) -> str:
    """The blob id of the file with LF for CRLF; empty where the file no longer has the bytes with the id ``oid``."""
    content = (repo.top / path).read_bytes()
    is_same = object_id("blob", content, repo.hash_name) == oid
    return plain_oid(content, repo.hash_name) if is_same else ""


def files_tree(root: Path, names: Sequence[str], hash_name: str) -> list[tuple[str, str]]:
    """For each tree that ``names`` names: the id it has without its folder ``.wfe``, and the id of that folder, or empty."""
    return [
        _without_own(object_[1] if object_ is not None and object_[0] == "tree" else b"", hash_name)
        for object_ in read_objects(root, names)
    ]


def _without_own(tree: bytes, hash_name: str) -> tuple[str, str]:
    length, at, kept, own = len(object_id("tree", b"", hash_name)) // 2, 0, b"", ""
    while at < len(tree):
        end = tree.index(b"\0", at) + 1 + length
        if tree[at:end].startswith(_OWN):
            own = tree[end - length : end].hex()
        else:
            kept += tree[at:end]
        at = end
    return object_id("tree", kept, hash_name), own
