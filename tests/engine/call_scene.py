"""Simulated model calls: tests use a listener as a provider would."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.engine.scene import HUMAN, Scene
from tests.engine.step_scene import configure
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.engine.models.call_log import Recording
from wfe_mcp.jobs.job_context import JobContext, Stop
from wfe_mcp.providers.call import Connection, Estimate, Listener, Usage
from wfe_mcp.store.records.calls import CallRecord, UsageRecord
from wfe_mcp.store.records.jobs import NewJob

MODEL = Connection("openai", "openai", "gpt-4o")
"""A model with a price: 2.50 dollars for a million tokens in, 10 for a million out."""
UNPRICED = Connection("local", "openai-compatible", "tiny", base_url="http://localhost:1")
DOLLAR = Estimate(0, 100_000)
"""What costs one dollar of MODEL."""


def job(scene: Scene, run: str, phase: str = "plan", **more: Any) -> JobContext:
    """A claimed job of the first attempt of ``phase``."""
    new = NewJob(
        "work", queue_name("llm", scene.engine.project_id), {}, run_id=RunId(run), phase=PhasePath(phase), attempt=1
    )
    with scene.store.tx() as tx:
        tx.jobs.enqueue(replace(new, **more))
        found = tx.jobs.claim(scene.engine.holder, [new.queue], 600, scene.clock())
    assert found is not None
    return JobContext(found, scene.store, Stop())


def listener(scene: Scene, context: JobContext | None, *, purpose: str = "work") -> Listener:
    return Recording(scene.engine, context, purpose=purpose, role="author")


def dollars(amount: float) -> Usage:
    """Use that its provider priced."""
    return Usage(1, 100, 10, cost_usd=amount)


def budget(scene: Scene, **caps: float) -> None:
    """Trusted configuration with these caps."""
    configure(scene, "[budget]", *(f"{name} = {value}" for name, value in caps.items()))


def calls(scene: Scene, run: str | None = None) -> list[CallRecord]:
    with scene.store.read() as tx:
        return tx.model_calls.filter(None if run is None else RunId(run))


def usage(scene: Scene, run: str) -> UsageRecord:
    with scene.store.read() as tx:
        return tx.model_calls.usage(run_id=RunId(run))


def resume(scene: Scene, run: str, **raised: Any) -> None:
    """A person lets the run continue."""
    from wfe_mcp.engine.runs.control import control

    control(scene.engine, HUMAN, run, "resume", **raised)


@contextmanager
def in_thread(work: Callable[[], object]) -> Generator[threading.Thread]:
    """``work`` continues beside the block, and is over at its end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield thread
    thread.join(120)
    assert not thread.is_alive()
