"""``GET /metrics`` of ``wfe-mcp server``: what Prometheus reads, and that it names nothing of a team's work."""

import json
import re
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.loopback import TLS
from tests.server.conftest import call, drill, submitted
from tests.server.http.conftest import Running
from wfe_mcp.core.errors import CODES

DASHBOARD = Path(__file__).parents[3] / "docs" / "examples" / "server" / "grafana.json"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(running: Running, token: str) -> str:
    with httpx2.Client(trust_env=False, verify=TLS, timeout=60) as http:
        answer = http.get(f"{running.url}/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return answer.text


def samples(text: str) -> Samples:
    found = (each for family in text_string_to_metric_families(text) for each in family.samples)
    return {(each.name, frozenset(each.labels.items())): each.value for each in found}


def of(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


async def test_calls_runs_requests_jobs_and_the_process_are_measured(running: Running) -> None:
    monitor, token = running.token("monitor", "read", everywhere=True), running.token()
    project = running.house.engine().project_id
    async with running.agent(token) as agent:
        run = await drill(agent)
        await submitted(agent, run, "signed")
        await call(agent, "approve", run=run, phase="signed")
        await call(agent, "start_phase", run=run, phase="checked")
        await call(agent, "submit_artifact", run=run, phase="checked", artifact={"title": "It works"})
        await call(agent, "status", run="no such run")
    running.post(path="/api/v1/nothing", Authorization=f"Bearer {token}")
    found = samples(scraped(running, monitor))
    assert of(found, "wfe_tool_calls_total", tool="approve", code="needs_human") == 1
    assert of(found, "wfe_tool_calls_total", tool="status", code="unknown_run") == 1
    assert of(found, "wfe_tool_call_seconds_count", tool="submit_artifact") == 2
    assert of(found, "wfe_api_requests_total", operation="unknown", code="404") == 1
    assert of(found, "wfe_open_runs", project=project) == 1
    assert of(found, "wfe_waiting_requests", project=project) == 1
    assert of(found, "wfe_jobs_total", kind="gate", code="ok") >= 1
    assert of(found, "wfe_worker_slots", queue="llm", state="free") == 4
    assert of(found, "wfe_events_total") >= 10
    assert found.keys() >= {("wfe_database_answer_seconds", frozenset())}
    assert of(found, "process_resident_memory_bytes") > 1e6


async def test_no_label_names_a_title_a_path_a_token_or_a_person(running: Running) -> None:
    monitor, token = running.token("monitor", "read", everywhere=True), running.token("secret-bot")
    async with running.agent(token) as agent:
        await drill(agent, title="Hidden title")
        await call(agent, "hidden_tool")
    text = scraped(running, monitor)
    for hidden in ("Hidden", "hidden_tool", str(running.house.root), "secret-bot", "monitor", "ada", token):
        assert hidden not in text
    known = {"code": {*CODES, "ok", "stopped", "suspended", "retry", *(str(each) for each in range(100, 600))}}
    known |= {"state": {"busy", "free", "used"}, "status": {"queued", "running"}}
    for name, labels in samples(text):
        for label, value in labels:
            assert value in known.get(label, {value}), (name, label, value)
            assert label in {"tool", "code", "operation", "kind", "queue", "state", "status", "project", "le"}


def test_only_a_token_for_all_projects_reads_metrics(running: Running) -> None:
    with httpx2.Client(trust_env=False, verify=TLS, timeout=60) as http:
        none = http.get(f"{running.url}/metrics")
        one = http.get(f"{running.url}/metrics", headers={"Authorization": f"Bearer {running.token()}"})
    assert (none.status_code, one.status_code) == (401, 403)
    assert none.headers["www-authenticate"] == "Bearer"
    assert "--all-projects" in one.text
    assert "wfe_" not in none.text + one.text


async def test_each_query_of_the_dashboard_names_metrics_and_labels_that_are_exported(running: Running) -> None:
    monitor, token = running.token("monitor", "read", everywhere=True), running.token()
    async with running.agent(token) as agent:
        await drill(agent)
    text = scraped(running, monitor)
    exported = {each.name for family in text_string_to_metric_families(text) for each in family.samples}
    families = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    asked = {name for each in panels for target in each["targets"] for name in metrics_in(target["expr"])}
    assert {name for name in asked if name not in exported and name.removesuffix("_bucket") not in families} == set()
    ours = {name for name in families if name.startswith("wfe_")}
    assert {name for name in ours if not any(each.startswith(name) for each in asked)} == set(), "not on the dashboard"


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:wfe|process)_[a-z_]+", expression))
