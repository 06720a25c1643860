"""The engine of a project, with the composition of all capabilities loaded at the first change of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.engine.kernel.engine import Engine, utc_now
from wfe_mcp.engine.kernel.evidence_seals import ServerKey
from wfe_mcp.engine.kernel.reactions import Composition, compose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from wfe_mcp.store import Store
    from wfe_mcp.workspace.system.location import Project


def _composition() -> Composition:
    # It imports every capability: a process that only looks, or only answers a handshake, does without.
    from wfe_mcp.engine.composition import COMPOSITION

    return COMPOSITION


def create_engine(
    project: Project,
    *,
    environment: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] = utc_now,
    store: Store | None = None,
    holder: str | None = None,
    beside: Engine | None = None,
) -> Engine:
    """The engine of ``project`` with every capability. ``store``: one that is open already, shared with its owner."""
    engine = Engine(project, environment=environment, clock=clock, store=store, holder=holder, beside=beside)
    compose(engine, _composition)
    return engine


def create_beside(own: Engine, project: Project, holder: str | None = None) -> Engine:
    """The engine of another ``project`` with the database, environment and clock of ``own``. Its changes are anchored where those of
    ``own`` are.
    """
    store = own.store  # first: its clock may be that of the database
    engine = create_engine(
        project, environment=own.environment, clock=own.clock, store=store, holder=holder, beside=own
    )
    engine.state_of(ServerKey).process = own.state_of(ServerKey).process
    if own.watchers:
        from wfe_mcp.engine.integrity.anchoring import start_anchoring

        own.watched.setdefault(own.project_id, own.watchers)
        engine.watchers = own.watched.setdefault(engine.project_id, [])
        start_anchoring(engine)
    return engine
