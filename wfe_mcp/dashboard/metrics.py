"""Metrics of ``wfe-mcp server`` in the text format of Prometheus, for who scrapes it with a token.

    observed(…)      ──► counters and durations of this process
    GET /metrics     ──► those, and figures of the database, read once in ``FRESH_S`` seconds

With ``--workers N`` the N processes count in one folder (``PROMETHEUS_MULTIPROC_DIR``), and each answers for all of them: what they
counted, also those that ended, and the sum of their slots and connections, which each writes down every ``FRESH_S`` seconds.

Rules:
1. A label is a name of ours (tool, code, operation, kind, queue), or the id of a project. None has a title, a path, a token, or a
   person, and ``MOST_PROJECTS`` projects have labels of their own: the others are ``other``.
2. What a scrape reads is what is open: it costs the same with a million runs.
3. Several servers on one database report the same figures of it: take the ``max`` of those, and the ``sum`` of the others.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from wfe_mcp.store.records.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from wfe_mcp.core.observing import Observation
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
    """The metrics of one process, with a registry of their own, or of the processes that share a folder."""

    media_type = prometheus.CONTENT_TYPE_LATEST

    def __init__(self, engine: Engine, access: Access) -> None:
        prometheus.disable_created_metrics()
        self._engine, self._access = engine, access
        own = self._registry = prometheus.CollectorRegistry()
        self._figures = _Figures(engine)
        self.is_shared = "PROMETHEUS_MULTIPROC_DIR" in engine.environment
        if not self.is_shared:
            prometheus.ProcessCollector(registry=own)
            own.register(self._figures)
        self._slots = prometheus.Gauge(
            "wfe_worker_slots",
            "Jobs that can be worked at once.",
            ["queue", "state"],
            registry=own,
            multiprocess_mode="livesum",
        )
        self._connections = prometheus.Gauge(
            "wfe_database_connections",
            "Connections with the database.",
            ["state"],
            registry=own,
            multiprocess_mode="livesum",
        )
        self._ended: dict[str, tuple[prometheus.Counter, prometheus.Histogram]] = {}
        for kind, (name, label, what) in _OBSERVED.items():
            number = prometheus.Counter(
                f"{name}s", f"{what}, by how they ended.", [label, "code"], registry=self._registry
            )
            seconds = prometheus.Histogram(
                f"{name}_seconds", f"{what}: how long they took.", [label], buckets=_BUCKETS, registry=self._registry
            )
            self._ended[kind] = number, seconds

    @contextmanager
    def observe(self, observation: Observation) -> Generator[None]:
        """An observer (``core/observing.py``)."""
        began = time.perf_counter()
        try:
            yield
        finally:
            number, seconds = self._ended[observation.kind]
            number.labels(observation.name, observation.code).inc()
            seconds.labels(observation.name).observe(time.perf_counter() - began)

    def text(self) -> bytes:
        """All of them. Refuses ``unavailable``: the database does not answer."""
        self.note()
        if not self.is_shared:
            return prometheus.generate_latest(self._registry)
        every = prometheus.CollectorRegistry()
        MultiProcessCollector(every)
        every.register(self._figures)
        return prometheus.generate_latest(every)

    def note(self) -> None:
        """Note what this process has now."""
        for queue, (taken, total) in self._access.workers.slots.items():
            self._slots.labels(queue, "busy").set(taken)
            self._slots.labels(queue, "free").set(total - taken)
        used, most = self._engine.store.connections()
        self._connections.labels("used").set(used)
        self._connections.labels("free").set(max(0, most - used))


class _Figures(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
            return self._known

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
        for job in jobs:
            queue = job.queue.partition(":")[0]
            key = (queue, job.kind, str(job.status))
            sums[key] = sums.get(key, 0) + job.number
            if job.status is JobStatus.QUEUED:
                waited = max(0.0, (now - job.oldest).total_seconds())
                waits[queue, job.kind] = max(waits.get((queue, job.kind), 0.0), waited)
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


def _by_project(name: str, meaning: str, numbers: Mapping[str, int]) -> GaugeMetricFamily:
    """The largest ``MOST_PROJECTS``, and the sum of the others."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    family = GaugeMetricFamily(name, meaning, labels=["project"])
    for project, number in ordered[:MOST_PROJECTS]:
        family.add_metric([project], number)
    if rest := ordered[MOST_PROJECTS:]:
        family.add_metric([OTHER], sum(number for _, number in rest))
    return family
