"""Projects, the processes that work in them, as they registered themselves, and documents by their sha256."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from sqlalchemy import String, bindparam, delete, func, insert, select, update

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.store.layout.tables import DOCUMENT, EVIDENCE, HOLD, JOB, PROCESS, PROJECT, RUN
from wfe_mcp.store.records.jobs import tree_key
from wfe_mcp.store.records.runs import ProcessRecord, ProjectRecord
from wfe_mcp.store.repository import Repository, bound, columns_for, row_from
from wfe_mcp.store.sqlite import insert_new

_PROJECTS = select(*columns_for(ProjectRecord, PROJECT)).order_by(PROJECT.c.created_at, PROJECT.c.id)
_BY_KEY = _PROJECTS.where(PROJECT.c.key == bindparam("key_"))
_BY_ID = _PROJECTS.where(PROJECT.c.id == bindparam("id_"))
_ROOTS = select(PROJECT.c.id, PROJECT.c.root).where(PROJECT.c.id.in_(bindparam("ids", expanding=True)))
_NEW_PROJECT = insert(PROJECT)
_OF_PROJECT = RUN.c.project_id == bindparam("project_id_")
_FOLDERS = select(RUN.c.worktree).where(_OF_PROJECT).distinct()
_RUN_COUNT = select(func.count()).select_from(RUN).where(_OF_PROJECT)
_IN_FOLDER = select(RUN.c.id).where(_OF_PROJECT, RUN.c.worktree == bindparam("new_"))
_MOVE_RUNS = (
    update(RUN)
    .where(_OF_PROJECT, RUN.c.worktree == bindparam("old_"))
    .values(worktree=bindparam("new_"), revision=RUN.c.revision + 1)
)
_MOVE_LOGS = (
    update(EVIDENCE)
    .where(
        EVIDENCE.c.run_id.in_(_IN_FOLDER),
        func.substr(EVIDENCE.c.log_path, 1, bindparam("length_")) == bindparam("old_"),
    )
    .values(log_path=bindparam("new_", type_=String).concat(func.substr(EVIDENCE.c.log_path, bindparam("length_") + 1)))
)
_MOVE_HOLDS = (
    update(HOLD).where(HOLD.c.scope == bindparam("old_"), HOLD.c.run_id.in_(_IN_FOLDER)).values(scope=bindparam("new_"))
)
_MOVE_JOBS = (
    update(JOB)
    .where(JOB.c.limit_key == bindparam("old_key_"), JOB.c.run_id.in_(_IN_FOLDER))
    .values(limit_key=bindparam("new_key_"))
)
_DOCUMENT = select(DOCUMENT.c.content).where(DOCUMENT.c.sha256 == bindparam("sha256"))
_NEW_DOCUMENT = insert_new(DOCUMENT)


class ProjectRepository(Repository):
    """Projects."""

    def id_of(self, key: str, root: str, first_commit: str | None = None) -> str:
        """The id of the project ``key``, created when it is new."""
        project_id = self.find(key)
        if project_id is not None:
            return project_id
        self.alone("projects")
        if self.shared.locks_rows and (project_id := self.find(key)) is not None:
            return project_id
        # A project that was moved keeps the id made of its first place: another one may begin there.
        new_id = next(id_ for id_ in _ids(key) if self.get(id_) is None)
        row = {"id": new_id, "key": key, "root": root, "first_commit": first_commit, "created_at": self._clock()}
        self._run(_NEW_PROJECT, row)
        return new_id

    def find(self, key: str) -> str | None:
        """The id of the project ``key``, if it is known; writes nothing."""
        project = self.by_key(key)
        return None if project is None else project.id

    def by_key(self, key: str) -> ProjectRecord | None:
        """The project ``key``, if it is known."""
        return self._first(ProjectRecord, _BY_KEY, {"key_": key})

    def get(self, id_: str) -> ProjectRecord | None:
        """The project with this id."""
        return self._first(ProjectRecord, _BY_ID, {"id_": id_})

    def all(self) -> list[ProjectRecord]:
        """Every project, oldest first; forgotten ones too."""
        return self._all(ProjectRecord, _PROJECTS)

    def forgotten(self) -> list[str]:
        """The ids of those that lists of all projects leave out."""
        return [project.id for project in self.all() if project.forgotten_at is not None]

    def roots(self, ids: Sequence[str]) -> dict[str, str]:
        """The folders of these projects by id, where each was first seen; unknown ids are left out."""
        rows = self._connection.execute(_ROOTS, {"ids": list(ids)}) if ids else ()
        return {str(row.id): str(row.root) for row in rows}

    def change(self, id_: str, values: Mapping[str, Any]) -> None:
        """Set columns of a project."""
        self._run(update(PROJECT).where(PROJECT.c.id == id_).values(dict(values)))

    def folders(self, id_: str) -> list[str]:
        """The folders that its runs work in."""
        return [str(row.worktree) for row in self._connection.execute(_FOLDERS, {"project_id_": id_})]

    def run_count(self, id_: str) -> int:
        """How many runs it has, imported ones too."""
        return int(self._connection.execute(_RUN_COUNT, {"project_id_": id_}).scalar_one())

    def move_runs(self, id_: str, old: str, new: str) -> None:
        """The runs of the project in the folder ``old`` work in ``new`` from now on: their logs, leases and jobs too."""
        values = {"project_id_": id_, "old_": old, "new_": new}
        self._run(_MOVE_RUNS, values)
        self._run(_MOVE_LOGS, values | {"length_": len(old)})
        self._run(_MOVE_HOLDS, values)
        keys = {"old_key_": tree_key(old), "new_key_": tree_key(new)}
        self._run(_MOVE_JOBS, {"project_id_": id_, "new_": new} | keys)


def _ids(key: str) -> Iterator[str]:
    """Ids for the project ``key``, the usual one first."""
    return (f"p-{sha256_hex(key if number == 0 else f'{key} {number}')[:16]}" for number in count())


class DocumentRepository(Repository):
    """JSON values by the sha256 of their canonical text."""

    def keep(self, value: object) -> str:
        """Store a JSON value; its sha256. Idempotent."""
        return self.keep_texts(canonical_json(value))[0]

    def load(self, sha256: str) -> Any:
        """The JSON value that ``sha256`` names. It is shared: do not change it. Refuses as ``text``."""
        return self._caches.documents.get(sha256, lambda: json.loads(self.text(sha256)))

    def text(self, sha256: str) -> str:
        """The canonical text that ``sha256`` names. Refuses ``unavailable`` when it is not stored.

        Refuses ``conflict`` for any other text: what was exchanged must not be used, nor stay in a cache.
        """
        text = self._connection.execute(_DOCUMENT, {"sha256": sha256}).scalar()
        if text is None:
            raise Refused(
                "unavailable", f"The document {sha256[:12]} is not stored.", "See what is missing, too: wfe-mcp verify"
            )
        if sha256_hex(text) != sha256:
            raise Refused(
                "conflict",
                f"The stored document {sha256[:12]} is not what its sha256 names.",
                "It was changed outside wfe-mcp. See what else was: wfe-mcp verify",
            )
        return str(text)

    def keep_texts(self, *texts: str) -> list[str]:
        """Store canonical texts; their sha256. Idempotent."""
        self.alone("documents", shared=True)  # one that is there already is not removed before what names it is written
        now = self._clock()
        named = [(sha256_hex(text), text) for text in texts]
        self._run(_NEW_DOCUMENT, [{"sha256": name, "created_at": now, "content": text} for name, text in named])
        return [name for name, _ in named]


_NEW = insert_new(PROCESS)
_RECORDS = select(*columns_for(ProcessRecord, PROCESS)).order_by(PROCESS.c.started_at, PROCESS.c.pid)
_ON_HOST = _RECORDS.where(*bound(PROCESS, "host"))
_FORGET_ALL = delete(PROCESS)
_FORGET = delete(PROCESS).where(*bound(PROCESS, "host", "pid", "started_at"))


class ProcessRepository(Repository):
    """Registered processes. Does not check whether they are still alive."""

    def register(self, process: ProcessRecord) -> None:
        """Register a process that has started. Idempotent."""
        self._run(_NEW, row_from(process, PROCESS))

    def on_host(self, host: str) -> list[ProcessRecord]:
        """The registered processes of a host, oldest first."""
        return self._all(ProcessRecord, _ON_HOST, {"host_": host})

    def forget(self, process: ProcessRecord) -> None:
        """Remove a process that has ended."""
        self._run(_FORGET, {"host_": process.host, "pid_": process.pid, "started_at_": process.started_at})

    def forget_all(self) -> None:
        """Remove all processes: this database is a copy that no process uses."""
        self._run(_FORGET_ALL)
