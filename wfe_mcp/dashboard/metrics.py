"""Metrics of ``wfe-mcp server`` in the text format of Prometheus, for who scrapes it with a token.

    observed(…)      ──► counters and durations of this process
    GET /metrics     ──► those, and figures of the database, read once in ``FRESH_S`` seconds

Rules:
1. A label is a name of ours (tool, code, operation, kind, queue), or the id of a project. None has a title, a path, a token, or a
   person, and ``MOST_PROJECTS`` projects have labels of their own: the others are ``other``.
2. What a scrape reads is what is open: it costs the same with a million runs.
3. Several processes on one database report the same figures of it: take the ``max`` of those, and the ``sum`` of the others.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from wfe_mcp.store.records.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from wfe_mcp.core.observing import Observed
    from wfe_mcp.dashboard.api.access import Access
    from wfe_mcp.engine.kernel.engine import Engine

FRESH_S = 5.0
MOST_PROJECTS = 100
OTHER = "other"

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

_OBSERVED = {
    "tool": ("wfe_tool_call", "tool", "Calls of MCP tools"),
    "request": ("wfe_api_request", "operation", "Requests of the HTTP API"),
    "job": ("wfe_job", "kind", "Jobs worked by this process"),
}
"""What is observed: the begin of two names, the label of its name, and what it is."""


class Metrics:
    """The metrics of one process, with a registry of their own."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, engine: Engine, access: Access) -> None:
        disable_created_metrics()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Figures(engine, access))
        self._ended: dict[str, tuple[Counter, Histogram]] = {}
        for kind, (name, label, what) in _OBSERVED.items():
            number = Counter(f"{name}s", f"{what}, by how they ended.", [label, "code"], registry=self._registry)
            seconds = Histogram(
                f"{name}_seconds", f"{what}: how long they took.", [label], buckets=_BUCKETS, registry=self._registry
            )
            self._ended[kind] = number, seconds

    @contextmanager
    def observe(self, seen: Observed) -> Generator[None]:
        """An observer (``core/observing.py``)."""
        began = time.perf_counter()
        try:
            yield
        finally:
            number, seconds = self._ended[seen.kind]
            number.labels(seen.name, seen.code).inc()
            seconds.labels(seen.name).observe(time.perf_counter() - began)

    def text(self) -> bytes:
        """All of them. Refuses ``unavailable``: the database does not answer."""
        return generate_latest(self._registry)


class _Figures(Collector):
    """Figures of the database, and of this process's part in it."""

    def __init__(self, engine: Engine, access: Access) -> None:
        self._engine, self._access = engine, access
        self._known: list[Any] = []
        self._until = 0.0
        self._reading = threading.Lock()

    def describe(self) -> Iterable[Any]:
        """Nothing is read when this is registered."""
        return []

    def collect(self) -> Iterable[Any]:
        """The figures."""
        with self._reading:
            if time.monotonic() >= self._until:
                self._known = self._read()
                self._until = time.monotonic() + FRESH_S
            return [*self._known, *self._of_process()]

    def _read(self) -> list[Any]:
        now, began = self._engine.clock(), time.perf_counter()
        with self._engine.store.read() as tx:
            seconds = time.perf_counter() - began
            runs, waiting = tx.figures.open_runs(), tx.figures.waiting()
            jobs, events = tx.figures.jobs(now), tx.figures.events()
        number = GaugeMetricFamily("wfe_jobs_open", "Jobs that are due or running.", labels=["queue", "kind", "status"])
        oldest = GaugeMetricFamily(
            "wfe_job_oldest_wait_seconds", "How long the oldest due job waits.", labels=["queue", "kind"]
        )
        sums: dict[tuple[str, str, str], int] = {}
        waits: dict[tuple[str, str], float] = {}
        for each in jobs:
            queue = each.queue.partition(":")[0]
            key = (queue, each.kind, str(each.status))
            sums[key] = sums.get(key, 0) + each.number
            if each.status is JobStatus.QUEUED:
                waited = max(0.0, (now - each.oldest).total_seconds())
                waits[queue, each.kind] = max(waits.get((queue, each.kind), 0.0), waited)
        for key, value in sums.items():
            number.add_metric(key, value)
        for of, waited in waits.items():
            oldest.add_metric(of, waited)
        return [
            _by_project("wfe_open_runs", "Runs that are not over.", runs),
            _by_project("wfe_waiting_requests", "Requests that wait for a person's decision.", waiting),
            number,
            oldest,
            CounterMetricFamily("wfe_events", "Events appended to the logs of runs.", value=events),
            GaugeMetricFamily(
                "wfe_database_answer_seconds", "How long the database took to begin a transaction.", value=seconds
            ),
        ]

    def _of_process(self) -> list[Any]:
        slots = GaugeMetricFamily(
            "wfe_worker_slots", "Jobs that this process can work at once.", labels=["queue", "state"]
        )
        for queue, (taken, total) in sorted(self._access.slots.items()):
            slots.add_metric((queue, "busy"), taken)
            slots.add_metric((queue, "free"), total - taken)
        used, most = self._engine.store.connections()
        pool = GaugeMetricFamily(
            "wfe_database_connections", "Connections of this process with the database.", labels=["state"]
        )
        pool.add_metric(["used"], used)
        pool.add_metric(["free"], max(0, most - used))
        return [slots, pool]


def _by_project(name: str, meaning: str, numbers: Mapping[str, int]) -> GaugeMetricFamily:
    """The largest ``MOST_PROJECTS``, and the sum of the others."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    found = GaugeMetricFamily(name, meaning, labels=["project"])
    for project, number in ordered[:MOST_PROJECTS]:
        found.add_metric([project], number)
    if rest := ordered[MOST_PROJECTS:]:
        found.add_metric([OTHER], sum(number for _, number in rest))
    return found
