"""Traces of ``wfe-mcp server``: what a real receiver of OTLP gets of one submission and the job of its gate."""

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.loopback import TLS
from tests.server.conftest import House, call, drill
from tests.server.http.conftest import Running

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@dataclass
class Receiver:
    """A receiver of OTLP over HTTP."""

    url: str
    spans: list[Any] = field(default_factory=list[Any])
    raw: list[bytes] = field(default_factory=list[bytes])

    def named(self, name: str) -> list[Any]:
        return [each for each in self.spans if each.name == name]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            got.raw.append(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                got.spans += [span for scope in resource.scope_spans for span in scope.spans]
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        got = Receiver(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield got
        server.shutdown()


@pytest.fixture(autouse=True)
def traced(house: House, receiver: Receiver) -> None:
    house.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url


@pytest.mark.usefixtures("real_processes")
async def test_a_submission_and_the_job_of_its_gate_are_spans_of_the_trace_of_who_called(
    running: Running, receiver: Receiver
) -> None:
    token = running.token("secret-bot")
    headers = {"Authorization": f"Bearer {token}", "traceparent": SENT}
    async with (
        httpx2.AsyncClient(trust_env=False, verify=TLS, timeout=60, headers=headers) as http,
        Client(streamable_http_client(f"{running.url}/mcp", http_client=http)) as agent,
    ):
        run = await drill(agent, title="Hidden title")
        await call(agent, "start_phase", run=run, phase="checked")
        done = await call(agent, "submit_artifact", run=run, phase="checked", artifact={"title": "Hidden artifact"})
        assert done["ok"], done
    with httpx2.Client(
        trust_env=False, verify=TLS, headers={"Authorization": f"Bearer {token}", "traceparent": SENT}
    ) as http:
        assert http.get(f"{running.url}/api/v1/runs").status_code == 200
    running.end()
    (submission,) = receiver.named("tool submit_artifact")
    (request,) = receiver.named("request list_runs")
    assert submission.trace_id.hex() == request.trace_id.hex() == TRACE
    (job,) = receiver.named("job gate")
    assert [link.span_id for link in job.links] == [submission.span_id]
    assert {each.key: each.value.string_value for each in job.attributes} == {
        "wfe.kind": "job",
        "wfe.name": "gate",
        "wfe.code": "ok",
    }
    for hidden in (b"Hidden", b"secret-bot", token.encode(), str(running.house.root).encode(), run.encode(), b"ada"):
        assert not any(hidden in each for each in receiver.raw), hidden


def test_a_receiver_that_is_away_costs_no_answer(house: House) -> None:
    house.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
    running = Running(house)
    running.start()
    answer = httpx2.get(
        f"{running.url}/api/v1/runs",
        headers={"Authorization": f"Bearer {running.token()}"},
        trust_env=False,
        verify=TLS,
    )
    running.end()
    assert answer.status_code == 200
