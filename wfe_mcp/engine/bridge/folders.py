"""The work folder of a developer who works over a bridge: what the server has of the files on the developer's machine.

    the developer's files ──push──> refs/wfe/bridge/NAME/in/COMMIT ──take_over──> the folder ──> gates, checkpoints, rollback
                          <─fetch── refs/wfe/bridge/NAME/back      <──changed──── what runs did there

The folder is a linked work tree of the project, one for each token, as ``wfe-mcp worktree add`` makes them: same project, and
gates read real files.

Rules:
1. ``seen`` is the snapshot that both sides had last. What the folder has that differs from it is the server's, and is given back
   before anything is taken over it: neither side loses what the other has not seen.
2. Files come by our own restore: no filter, no hook, no ``.wfe/``. The configuration is that of the server's project.
3. A token takes over only what was pushed with it; the snapshot names the token, too.
4. HEAD, branch and index follow the developer's clone. What a run moves here stays until the clone moves.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.factory import create_beside
from wfe_mcp.engine.files.checkpoints import limits_of
from wfe_mcp.engine.files.worktree_folders import name_for_bridge, worktrees_folder
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.maintenance.worktrees import make_worktree
from wfe_mcp.workspace.files.folders import walk
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic
from wfe_mcp.workspace.git.batch import entries_below, read_objects
from wfe_mcp.workspace.git.checkpoints import drop
from wfe_mcp.workspace.git.command import run_git, text_of
from wfe_mcp.workspace.git.own_refs import advance_ref
from wfe_mcp.workspace.git.repository import commit_of
from wfe_mcp.workspace.git.restore import RestoreValues, restore
from wfe_mcp.workspace.git.snapshot import Snapshot, Snapshots, read_snapshot
from wfe_mcp.workspace.git.worktrees import set_head
from wfe_mcp.workspace.system.location import project_at

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_CONFIGURATION = ("config.toml", "approvers.json", "templates")
_PUSHES = 30
_LOCKS: defaultdict[Path, threading.RLock] = defaultdict(threading.RLock)


def refs_of(name: str) -> str:
    """The prefix of the refs of the token ``name``, without a slash at the end; it pushes below ``in`` there."""
    return f"refs/wfe/bridge/{name}"


class BridgedFolders:
    """The work folders of the tokens that this process serves, each made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], BridgedFolder] = {}
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def folder_of(self, engine: Engine, name: str) -> BridgedFolder:
        """The folder of the token ``name`` in the project of ``engine``; one that was removed is made again."""
        key = engine.project_id, name
        with self._locks[key]:
            folder = self._made.get(key)
            if folder is None or not folder.engine.root.is_dir():
                self._made[key] = folder = BridgedFolder(engine, name)
            return folder


class BehindError(Exception):
    """The folder has what the developer has not: the snapshot ``now``, and ``seen``, which both had last."""

    def __init__(self, now: str, seen: str) -> None:
        super().__init__(now)
        self.now, self.seen = now, seen


class BridgedFolder:
    """The work folder of the token ``name`` in the project of ``engine``, made when it is first needed."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._project, self.name = engine, name
        folder = name_for_bridge(name)
        if not (worktrees_folder(engine) / folder).is_dir():
            # What a new folder lacks is no change of the server's: it would be taken out of the developer's clone.
            for ref in ("seen", "taken", "given"):
                run_git(engine.root, "update-ref", "--no-deref", "-d", f"{refs_of(name)}/{ref}")
        path = make_worktree(engine, folder, detached=True).tree.path
        below = engine.root.relative_to(engine.project.worktree)
        (path / below).mkdir(parents=True, exist_ok=True)
        self.engine = create_beside(engine, project_at(path / below), f"api:{name}")
        self.engine.serves_folder = True
        self._snapshots = Snapshots()
        _configure(engine.root, self.engine.root)
        if head := commit_of(engine.root, "HEAD"):  # a first push need not send what both have
            self._point("in/base", head)

    def take_over(self, commit: str, files: str = "") -> None:
        """Make the folder what the snapshot ``commit`` is, and add the ``files`` of another commit, which are in no snapshot.

        Raises ``BehindError``, with nothing changed. Refuses a commit that this token did not push.
        """
        root = self.engine.root
        with _LOCKS[root]:
            seen, taken = self._commit_at("seen"), self._commit_at("taken")
            for oid in filter(None, (commit, files)):
                if not _OID.fullmatch(oid) or (oid not in {seen, taken} and self._commit_at(f"in/{oid}") != oid):
                    raise Refused(
                        "bad_argument",
                        f"{oid[:80]!r} was not pushed with this token.",
                        "Push it, then call.",
                        data={"unpushed": oid[:80]},
                    )
            want, before = read_snapshot(root, commit), read_snapshot(root, taken) if taken else None
            if want.note.get("token") != self.name:  # git points a ref to what the server has, whoever sent that
                raise Refused("bad_argument", f"{commit!r} is another token's.", "Push your own, then call.")
            now = self._now()
            if seen and now.tree not in {read_snapshot(root, seen).tree, want.tree}:
                self._point("back", now.commit)
                raise BehindError(now.commit, seen)
            _configure(self._project.root, root)
            if now.tree != want.tree or now.modes != want.modes:
                self._restore(commit, now.tree)
            if before is None or _clone(before) != _clone(want):
                set_head(root, *_clone(want))
            self._point("seen", commit)
            self._point("taken", commit)
            if files:
                self._give(files)
            self._forget_pushed()

    def changed_since(self, commit: str) -> str:
        """The snapshot of the folder where its files are other than those of ``commit``; else empty."""
        with _LOCKS[self.engine.root]:
            now = self._now()
            if now.tree == read_snapshot(self.engine.root, commit).tree:
                return ""
            self._point("back", now.commit)
            return now.commit

    def acknowledge(self, commit: str) -> None:
        """The developer has, or was shown, all that is in ``commit``, the snapshot that was given back last."""
        with _LOCKS[self.engine.root]:
            if commit and commit == self._commit_at("back"):
                self._point("seen", commit)

    def _now(self) -> Snapshot:
        return self._snapshots.take(self.engine.root, {}, limits_of(self.engine), self.engine.clock())

    def _restore(self, commit: str, expect: str) -> None:
        values: RestoreValues = {
            "safety": f"bridge/{self.name}/{commit[:16]}",
            "limits": limits_of(self.engine),
            "at": self.engine.clock(),
        }
        result = restore(self.engine.root, commit, expect=expect, **values)
        drop(self.engine.root, [result.safety_name])  # the developer has all of it, by rule 1

    def _give(self, commit: str) -> None:
        """Write the files of ``commit``; those of the one before it that it has not go."""
        root, last = self.engine.root, self._commit_at("given")
        entries = entries_below(root, commit)
        paths = [*entries]
        for path, object_ in zip(paths, read_objects(root, [entries[path].oid for path in paths]), strict=True):
            ours, _, name = path.partition("/")
            if object_ is None or (ours == ".wfe" and name.partition("/")[0] in _CONFIGURATION):
                raise Refused("bad_argument", f"'{path}' cannot be handed over.", "Name another file of the project.")
            write_atomic(root, path, object_[1])
        for path in (entries_below(root, last).keys() if last else set[str]()) - entries.keys():
            with suppress(Refused), walk(root, path.split("/")[:-1]) as folder:
                folder.remove(path.rpartition("/")[2])
        self._point("given", commit)

    def _commit_at(self, name: str) -> str:
        return commit_of(self.engine.root, f"{refs_of(self.name)}/{name}")

    def _point(self, name: str, commit: str) -> None:
        advance_ref(self.engine.root, f"{refs_of(self.name)}/{name}", lambda _: commit, "The files of the bridge")

    def _forget_pushed(self) -> None:
        """Remove the refs of all but the newest pushes: a call that is under way may name one of those."""
        words = ("for-each-ref", "--sort=-committerdate", "--format=%(refname)", f"{refs_of(self.name)}/in")
        old = text_of(run_git(self.engine.root, *words)).split()[_PUSHES:]
        if old:
            lines = "".join(f"delete {ref}\n" for ref in old if not ref.endswith("/base")).encode()
            run_git(self.engine.root, "update-ref", "--no-deref", "--stdin", stdin=lines)


def _clone(snapshot: Snapshot) -> tuple[str, str, str]:
    """Where the developer's clone is: HEAD, branch, what is staged. Refuses what no clone says."""
    branch = snapshot.note.get("branch", "")
    if not isinstance(branch, str) or any(
        oid and not _OID.fullmatch(oid) for oid in (snapshot.head, snapshot.index_tree)
    ):
        raise Refused(
            "bad_argument",
            f"The snapshot {snapshot.commit[:12]} is none of a clone.",
            "Install the same version on that machine.",
        )
    return snapshot.head, branch, snapshot.index_tree


def _configure(project: Path, folder: Path) -> None:
    """Give the folder the configuration of the project, and nothing else of ``.wfe/``."""
    if project == folder:
        return
    for name in _CONFIGURATION:
        source, target = project / ".wfe" / name, folder / ".wfe" / name
        wanted = _files_below(source)
        for path in _files_below(target).keys() - wanted.keys():
            (target / path).unlink(missing_ok=True)
        for path, content in wanted.items():
            relative = f".wfe/{name}/{path}".rstrip("/")
            if read_if_there(folder, relative) != content:
                write_atomic(folder, relative, content)


def _files_below(place: Path) -> dict[str, bytes]:
    """The content of a file under the name "", and of the files below a folder by their paths."""
    if place.is_symlink() or not place.exists():
        return {}
    if place.is_file():
        return {"": place.read_bytes()}
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}
