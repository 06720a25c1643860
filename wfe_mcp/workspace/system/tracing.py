"""Traces by OpenTelemetry: a span for each tool call, request of the API and job, sent by OTLP over HTTP.

    traceparent of a request ──► its span ──► the row of a job that it enqueues ──► the span of that job, with a link

Rules:
1. Nothing of this is loaded unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set; the other variables of OpenTelemetry apply as well.
2. An attribute is a kind, a name or a code of ours: no argument, no artifact, no name of a person.
3. A span that cannot be sent is dropped, and costs no call its answer. At the end of the process the last ones have ``_LAST_S``.
"""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from wfe_mcp.core.observing import OBSERVERS, TRACE, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from opentelemetry.trace import Tracer


ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

_LAST_S = 1.0

log = logging.getLogger("wfe_mcp.tracing")


def start_tracing(environment: Mapping[str, str], service: str) -> Callable[[], object]:
    """Keep traces of this process where the variable is set; returns what sends the last spans and ends it."""
    if not environment.get(ENDPOINT):
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("%s is set, and the packages of OpenTelemetry are not installed: install wfe-mcp[team]", ENDPOINT)
        return lambda: None
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    OBSERVERS.append(_observer(provider.get_tracer("wfe_mcp")))
    for handler in logging.getLogger().handlers:
        handler.addFilter(_add_trace)

    def end() -> None:
        # It would else repeat what a receiver that is away did not take, for ten seconds.
        late = threading.Timer(_LAST_S, exporter.shutdown)
        late.daemon = True
        late.start()
        provider.shutdown()
        late.cancel()

    return end


def _observer(tracer: Tracer) -> Callable[[Observation], AbstractContextManager[None]]:
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    texts = TraceContextTextMapPropagator()

    @contextmanager
    def observe(observation: Observation) -> Generator[None]:
        sender = texts.extract({"traceparent": observation.comes_from})
        is_job = observation.kind == "job"
        origin = get_current_span(sender).get_span_context()
        links = [Link(origin)] if is_job and origin.is_valid else []
        with tracer.start_as_current_span(
            observation.name,
            context=None if is_job else sender,
            kind=SpanKind.CONSUMER if is_job else SpanKind.SERVER,
            links=links,
            record_exception=False,
            attributes={"wfe.kind": observation.kind},
        ) as span:
            carrier: dict[str, str] = {}
            texts.inject(carrier)
            before = TRACE.set(carrier.get("traceparent", ""))
            try:
                yield
            finally:
                TRACE.reset(before)
                span.update_name(f"{observation.kind} {observation.name}")
                span.set_attributes({"wfe.name": observation.name, "wfe.code": observation.code})
                if observation.code in {"internal", "500"}:
                    span.set_status(Status(StatusCode.ERROR))

    return observe


def _add_trace(record: logging.LogRecord) -> bool:
    if trace := TRACE.get():
        record.msg, record.args = f"{record.getMessage()} [trace {trace.split('-')[1]}]", None
    return True
