"""The answer of ``start_run``, apart from those of the other tools: the first call of a server loads only what it needs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wfe_mcp.core.model import By
from wfe_mcp.engine.checks.readiness import start_warnings
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs import start as runs
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.views.answers.run_status import status
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.runs.models import RunView


def start_run(
    engine: Engine,
    by: By,
    template: str = "",
    inputs: dict[str, Any] | None = None,
    title: str = "",
    driver: str = "",
    auto: bool | None = None,
    idempotency_key: str = "",
    triggered_by: str = "",
    external_id: str = "",
    roles: Mapping[str, str] | None = None,
) -> Envelope:
    """Create a run; the answer names its first phase."""
    loaded = runs.start_run(
        engine,
        by,
        template,
        inputs or {},
        title=title,
        auto=auto,
        idempotency_key=idempotency_key or None,
        driver=driver,
        triggered_by=triggered_by,
        external_id=external_id,
        roles=roles,
    )
    return started_answer(engine, by, loaded)


def started_answer(engine: Engine, by: By, loaded: LoadedRun) -> Envelope:
    """The status of a run that was just started or forked, with what keeps its checks from passing here."""
    answer = status(engine, by, loaded)
    with engine.store.read() as tx:
        plan = engine.plans.of_run(tx, loaded.record)
        frozen = tx.documents.load(loaded.record.frozen_sha256)
    view = answer.view_as(RunView)
    warnings = start_warnings(engine, plan, frozen["checks"])
    return answer.showing(replace(view, warnings=(*view.warnings, *warnings))) if warnings else answer
