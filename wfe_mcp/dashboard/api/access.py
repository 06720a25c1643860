"""Who sends a request of the API: its token, its scope, and the engine that acts for it.

Every request needs ``Authorization: Bearer TOKEN``. The caller is an agent of the channel ``http``, named after its token;
what it claims, it holds as ``api:<token>``, until the time-out of the phase.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from wfe_mcp.core.errors import Refused, nearest
from wfe_mcp.core.model import Assurance, By, Channel, RunId
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.engine.access.tokens import token_of
from wfe_mcp.engine.factory import create_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.engine.access.tokens import Scope, Token
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.jobs.worker import Worker

_HINT = "Make one: wfe-mcp token create NAME --scope work. Send it as Authorization: Bearer TOKEN."


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request. ``by``: for the log."""

    token: Token
    by: By
    access: Access

    def engine(self, project: str = "") -> Engine:
        """The engine of a project by its id; without one, of the project that the page was started in, or of the token.

        Refuses ``forbidden`` (the token is for another project) and ``bad_argument`` (no such project, or no such folder).
        """
        engines = self.access.engines_of(self.token)
        wanted = project or self.token.project or engines.engine.project_id
        if self.token.project and wanted != self.token.project:
            raise _foreign(self.token)
        found = engines.by_id(wanted)
        if found is None:
            with engines.engine.store.read() as tx:
                near = nearest(wanted, [each.id for each in tx.projects()])
            hint = f"Did you mean {near[0]}?" if near else "List them: GET /api/v1/projects"
            raise Refused("bad_argument", f"There is no project {wanted!r}, or its folder is gone.", hint)
        return found

    def engine_of(self, run: str) -> Engine:
        """The engine of the project of ``run``, a full id. Refuses ``unknown_run`` and ``forbidden``."""
        engines = self.access.engines_of(self.token)
        with engines.engine.store.read() as tx:
            loaded = tx.load_run(RunId(run))
        if loaded is None:
            raise Refused("unknown_run", f"There is no run {run[:80]!r}.", "List them: GET /api/v1/runs")
        return self.engine(loaded.record.project_id)

    def works(self, engine: Engine) -> Engine:
        """``engine``, whose jobs this process works from now on: no server may run in that project."""
        self.access.work(engine)
        return engine


class Access:
    """The tokens of a database, an engine for each project and token, and the workers of the projects in use."""

    def __init__(self, engine: Engine, visited: Callable[[], object]) -> None:
        self._engine, self._visited = engine, visited
        self._engines: dict[str, Engines] = {}
        self._workers: dict[str, Worker] = {}
        self._lock = threading.Lock()

    def caller(self, credentials: HTTPAuthorizationCredentials | None, scope: Scope) -> Caller:
        """The sender of a request that needs ``scope``. Refuses ``unauthorized`` and ``forbidden``."""
        token = None if credentials is None else token_of(self._engine, credentials.credentials)
        if token is None:
            what = "is missing" if credentials is None else "is unknown, revoked or expired"
            raise Refused("unauthorized", f"The access token {what}.", _HINT)
        self._visited()
        if not token.allows(scope):
            raise Refused(
                "forbidden", f"The token {token.name!r} may {token.scope}; this needs the scope {scope}.",
                f"Make another one: wfe-mcp token create NAME --scope {scope}",
            )  # fmt: skip
        return Caller(token, By(token.name, Channel.HTTP, Assurance.AGENT), self)

    def engines_of(self, token: Token) -> Engines:
        """The engines that act for ``token``."""
        with self._lock:
            if token.name not in self._engines:
                own = self._engine
                made = create_engine(
                    own.project,
                    environment=own.environment,
                    clock=own.clock,
                    store=own.store,
                    holder=f"api:{token.name}",
                )
                self._engines[token.name] = Engines(made)
            return self._engines[token.name]

    def work(self, engine: Engine) -> None:
        """Work the jobs of the project of ``engine`` in this process. Idempotent."""
        from wfe_mcp.engine.background.job_handlers import start_worker, tend_open_runs

        with self._lock:
            if engine.project_id not in self._workers:
                tend_open_runs(engine)
                self._workers[engine.project_id] = start_worker(engine)
        self._workers[engine.project_id].wake()

    def close(self) -> None:
        """Stop the workers; running jobs are taken over by another process."""
        with self._lock:
            for worker in self._workers.values():
                worker.stop()
            self._workers.clear()


def _foreign(token: Token) -> Refused:
    return Refused(
        "forbidden", f"The token {token.name!r} is for another project.", "Use a token of that project, or one of all projects."
    )  # fmt: skip


_BEARER = HTTPBearer(
    auto_error=False, description="A token made by: wfe-mcp token create NAME --scope read|work|manage"
)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


def _needs(scope: Scope) -> Callable[[Request, Bearer], Caller]:
    def caller(request: Request, credentials: Bearer) -> Caller:
        access: Access = request.app.state.access
        return access.caller(credentials, scope)

    return caller


Reads = Annotated[Caller, Depends(_needs("read"))]
Works = Annotated[Caller, Depends(_needs("work"))]
Manages = Annotated[Caller, Depends(_needs("manage"))]
