"""The developer's files, for the calls that are about them: sent before a call, and brought up to date after it.

Rules:
1. What is sent is a snapshot: the bytes on disk, without ``.wfe/`` and without what git ignores.
2. A file that the server changed is written only where it still has the bytes that the server knew. Otherwise nothing is written,
   the server's version is kept in the clone, and the refusal names the files. From then on the developer's files count.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.server.bridge.link import Link
from wfe_mcp.server.json_texts import read_json_texts
from wfe_mcp.workspace.files.project_files import read_file, read_folder
from wfe_mcp.workspace.git.batch import entries_below
from wfe_mcp.workspace.git.carried import fetch, push
from wfe_mcp.workspace.git.checkpoints import drop, keep, kept_at
from wfe_mcp.workspace.git.objects import Node, Outbox, commit_content
from wfe_mcp.workspace.git.repository import branch
from wfe_mcp.workspace.git.restore import bring
from wfe_mcp.workspace.git.snapshot import Snapshots, require_available
from wfe_mcp.workspace.git.snapshot_files import Limits
from wfe_mcp.workspace.system.location import Project, find_project, working_directory

_KEPT = 20
_ATTACHMENT_BYTES = 10_000_000
_NO_TIME = datetime.fromtimestamp(0, UTC)


def connect(server: str, folder: str) -> tuple[Link, Files]:
    """The connection to a server and the files of the project of ``folder``, or of where this runs. Refuses what is none."""
    project = find_project(folder or None, os.environ, (), working_directory())
    link = Link(server, project)
    return link, Files(project, link)


class Files:
    """The files of ``project``, and what the server at ``link`` has of them."""

    def __init__(self, project: Project, link: Link) -> None:
        self._root, self._link = project.root, link
        self._snapshots, self._note = Snapshots(), dict[str, str]()
        self._sent: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def send(self, arguments: dict[str, Any]) -> dict[str, str]:
        """Send the files as they are, and those that the arguments of the call name; the headers of the call."""
        with self._lock:
            note = {"branch": branch(self._root) or "", "token": self._link.name}
            if note != self._note:
                self._snapshots, self._note = Snapshots(), note
            commit = self._snapshots.take(self._root, note, Limits(), datetime.now(UTC)).commit
            files_commit = self._given_commit(commit, arguments)
            self._push([sha for sha in (commit, files_commit) if sha])
        return {"Wfe-Tree": commit} | ({"Wfe-Files": files_commit} if files_commit else {})

    def send_again(self) -> None:
        """Forget what was sent: the server has it no more."""
        with self._lock:
            self._sent.clear()

    def bring(self, old: str, new: str) -> None:
        """Make the changes that the server made from ``old`` to ``new``. Refuses ``conflict``."""
        link, refs = self._link, f"refs/wfe/bridge/{self._link.name}"
        with self._lock:
            self._carry(lambda: fetch(self._root, link.git, link.token, (f"{refs}/back", f"{refs}/seen")))
            name = f"bridge/{new[:16]}"
            try:
                bring(self._root, old, new, safety=name, limits=Limits(), at=datetime.now(UTC))
            except Refused as refused:
                if refused.code != "conflict" or "paths" not in refused.data:
                    raise
                keep(self._root, f"{name}-server", new)
                link.ask("POST", "/bridge", {"seen": new})
                raise Refused(
                    "conflict",
                    f"{refused.message} The server changed them in its copy, and they changed here, too. Nothing was written "
                    "here, and nothing is lost.",
                    f"The server's version is the commit {new}: git show {new[:12]}:PATH. Take from it what you want, then "
                    "call again: from now on your files count.",
                    refused.details,
                    data=refused.data,
                ) from None
            finally:
                self._forget_old()
            link.ask("POST", "/bridge", {"seen": new})

    def _given_commit(self, commit: str, arguments: dict[str, Any]) -> str:
        """A commit of the named files that the snapshot has not; empty where there are none."""
        paths = _named_paths(arguments)
        if not paths:
            return ""
        sent = entries_below(self._root, commit)
        contents: dict[str, bytes] = {}
        for path in paths:
            place = self._root / path
            if path in sent or not os.path.lexists(place):
                continue
            if place.is_dir():
                inside = read_folder(self._root, path)
                contents |= {
                    f"{path}/{name}": content for name, content in inside.items() if f"{path}/{name}" not in sent
                }
            else:
                contents[path] = read_file(self._root, path, _ATTACHMENT_BYTES)
        if not contents:
            return ""
        outbox = Outbox(require_available(self._root), set())
        nodes = {path: Node("100644", outbox.add("blob", content)) for path, content in contents.items()}
        tree = outbox.add_tree(nodes)
        files_commit = outbox.add("commit", commit_content(tree, (), "wfe-mcp: files that a call names\n", _NO_TIME))
        outbox.send()
        return files_commit

    def _push(self, commits: Sequence[str]) -> None:
        link, name = self._link, self._link.name
        new = {commit: f"refs/wfe/bridge/{name}/in/{commit}" for commit in commits if (name, commit) not in self._sent}
        if new:
            self._carry(lambda: push(self._root, link.git, link.token, new))
            self._sent |= {(name, sha) for sha in new}

    def _carry(self, carry: Any) -> None:
        try:
            carry()
        except Refused as refused:
            self._link.ask("GET", "/bridge")  # it says better whether the server or the login is the reason
            if refused.code == "too_large":
                raise
            carry()  # another agent in this clone has just sent the same

    def _forget_old(self) -> None:
        """Remove all but the newest of what was kept before files were written here."""
        names = sorted((at, name) for name, at in kept_at(self._root, "bridge").items())
        drop(self._root, [name for _, name in names[:-_KEPT]])


_NAMES_FILES = {"path": {"type": "string"}, "item": {"type": "object"}, "attach": {"type": "array"}}


def _named_paths(arguments: dict[str, Any]) -> list[str]:
    """The paths that the arguments of a call name, without a slash at the end. What is no path is the server's to refuse."""
    arguments, _ = read_json_texts({name: arguments.get(name) for name in _NAMES_FILES}, _NAMES_FILES)
    item: Any = arguments.get("item")
    of_item: Any = cast("dict[str, Any]", item).get("attach") if isinstance(item, dict) else None
    named: list[Any] = [arguments.get("path")]
    for paths in (arguments.get("attach"), of_item):
        named += cast("list[Any]", paths) if isinstance(paths, list) else ()
    return [path.rstrip("/") for path in named if isinstance(path, str) and path.rstrip("/")]
