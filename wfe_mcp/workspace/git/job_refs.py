"""Refs by which a runner fetches the tree of its job: one commit without a parent for each, with exactly the files that are judged.

Files that git does not have yet are stored as they are on the disk: no filter takes part, and each is hashed again.
"""

import os
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.batch import read_objects
from wfe_mcp.workspace.git.command import require_repository, run_git, text_of
from wfe_mcp.workspace.git.file_facts import AS_IT_IS, link_bytes
from wfe_mcp.workspace.git.objects import Node, Outbox, commit_content, object_id
from wfe_mcp.workspace.git.own_refs import advance_ref, release_locks

_REFS = "refs/wfe/jobs/"


def job_ref(job: str) -> str:
    """The ref of the tree of ``job``."""
    return _REFS + job


def keep_files(root: Path, job: str, files: Mapping[str, Node], at: datetime) -> tuple[str, str]:
    """Point the ref of ``job`` to a commit of ``files`` of ``root``; the ids of the tree and of the commit.

    Refuses ``conflict`` where a file is another one by now.
    """
    repo = require_repository(root)
    outbox = Outbox(repo, set())
    paths = {node.oid: path for path, node in files.items() if node.mode != "160000"}
    for oid in sorted(outbox.missing(paths)):
        content = _content(root, paths[oid], files[paths[oid]])
        if content is not None and object_id("blob", content, repo.hash_name) == oid:
            outbox.add("blob", content, oid)
        elif read_objects(root, [oid]) == [None]:
            raise Refused("conflict", f"{paths[oid]!r} changed while it was read.", "Wait until nothing writes it.")
    tree = outbox.add_tree(files)
    commit = outbox.add("commit", commit_content(tree, (), job, at))
    outbox.send()
    advance_ref(root, job_ref(job), lambda _: commit, "The files of the job")
    return tree, commit


def drop_jobs(root: Path, but: Collection[str]) -> None:
    """Remove the refs of all jobs ``but`` these. A repository that cannot be written keeps them until later."""
    refs = text_of(run_git(root, "for-each-ref", "--format=%(refname)", _REFS, ok=None)).splitlines()
    old = [ref for ref in refs if ref.removeprefix(_REFS) not in but]
    if old:
        release_locks(require_repository(root).common, old)
        lines = "".join(f"delete {ref}\n" for ref in old)
        run_git(root, "update-ref", "--no-deref", "--stdin", stdin=lines.encode(), ok=None)


def _content(root: Path, path: str, node: Node) -> bytes | None:
    place = f"{root}/{path}"
    try:
        if node.mode == "120000":
            return link_bytes(place)
        with open(os.open(place, AS_IT_IS), "rb") as file:  # noqa: PTH123 - opened with care
            return file.read()
    except OSError:
        return None
