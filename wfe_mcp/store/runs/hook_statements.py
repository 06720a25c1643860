"""The statements of the hook that clients start (``clients/wfe_hook``): the open work of a working tree, and documents.

The hook has 10 ms, so it loads nothing of this package. ``scripts/generate_hook_statements.py`` compiles these statements
into a module of the hook; a change of the schema shows there.
"""

from sqlalchemy import ColumnElement, func, literal_column, or_, select

from wfe_mcp.core.model import AttemptStatus, RunStatus, Stage
from wfe_mcp.store.layout.tables import ATTEMPT, DOCUMENT, RUN
from wfe_mcp.store.repository import OURS, without_index

_GIVEN: ColumnElement[str] = literal_column("?")
_MOST = 20
"""How many pieces of work the hook reads that have not begun; it names the first."""

_WORK = (
    select(
        RUN.c.created_at,
        RUN.c.id.label("run"),
        RUN.c.title,
        RUN.c.template,
        RUN.c.definition_sha256,
        RUN.c.spec_sha256,
        RUN.c.frozen_sha256,
        RUN.c.worktree,
        ATTEMPT.c.phase,
        ATTEMPT.c.attempt,
        ATTEMPT.c.status,
        func.json_extract(ATTEMPT.c.state, "$.role").label("role"),
    )
    .join(ATTEMPT, ATTEMPT.c.run_id == RUN.c.id)
    .where(RUN.c.archived_at.is_(None), OURS, or_(ATTEMPT.c.stage.is_(None), ATTEMPT.c.stage == Stage.AFTER))
)
RUNNING_WORK = _WORK.where(
    ATTEMPT.c.status == AttemptStatus.RUNNING,
    # By the running attempts, of all folders: a folder may have many more runs without an agent at work.
    without_index(RUN.c.worktree) == _GIVEN,
    without_index(RUN.c.status).in_((RunStatus.PENDING, RunStatus.RUNNING)),
)
"""The running attempts in a working tree."""

NEXT_WORK = (
    _WORK.where(
        RUN.c.worktree == _GIVEN,
        RUN.c.status == _GIVEN,
        without_index(ATTEMPT.c.status).in_((AttemptStatus.READY, AttemptStatus.GATING)),
    )
    .order_by(RUN.c.created_at, RUN.c.id, ATTEMPT.c.phase)
    .limit(literal_column(str(_MOST)))
)
"""The first attempts of a working tree, in runs of one status, that are ready or have their artifact checked."""

DOCUMENT_TEXT = select(DOCUMENT.c.content).where(DOCUMENT.c.sha256 == literal_column("?"))
"""The content of one document."""
