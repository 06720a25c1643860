"""Triggers through the API: another system posts a signed message to the page and has no other access."""

import http.client
import json
from typing import Any

import pytest

from tests.dashboard.api.client import Program, Reply
from tests.dashboard.api.conftest import Connect
from tests.engine.conftest import home
from tests.engine.scene import Scene, phase
from tests.engine.triggers.trigger_scene import BODY, incoming, message, runs
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.triggers.incoming import MOST_BYTES

__all__ = ["home"]

JSON = {"Content-Type": "application/json"}
PATH = "/api/v1/incoming/tracker"


def post(page: Page, sent: tuple[dict[str, str], bytes], path: str = PATH, **headers: str) -> Reply:
    return Program(page.port).raw("POST", path, sent[1].decode(), JSON | sent[0] | headers)


@pytest.mark.requirement("S4-28")
def test_a_signed_message_starts_a_run_once_without_a_token(scene: Scene, page: Page, program: Program) -> None:
    sent = message(incoming(scene))
    found = post(page, sent)
    assert found.data == {"started": runs(scene)[0].id}
    assert post(page, sent, f"{PATH}?project={scene.engine.project_id}").data == found.data
    assert len(runs(scene)) == 1

    shown = program.get("/triggers").data["incoming"]
    assert shown == [{"name": "tracker", "template": "drill", "inputs": ["goal"], "enabled": True}]


@pytest.mark.attack("a message tells configured names, projects and secrets apart by the answers", "held", "T6; A3")
def test_every_message_that_is_not_accepted_gets_the_same_answer(scene: Scene, page: Page) -> None:
    secret = incoming(scene)
    headers, body = message(secret)
    answers: list[Any] = [
        post(page, ({}, body)),
        post(page, (headers, body + b" ")),
        post(page, (headers, body), "/api/v1/incoming/nothing"),
        post(page, (headers, body), f"{PATH}?project=p-nothing"),
        post(page, (headers | {"webhook-id": "msg_2"}, body)),
    ]
    assert {(each.status, json.dumps(each.body)) for each in answers} == {(401, json.dumps(answers[0].body))}
    assert runs(scene) == []


def test_the_sender_of_a_message_reads_how_to_correct_it_and_no_call_of_an_agent(scene: Scene, page: Page) -> None:
    secret = incoming(scene)
    scene.define(phase("plan"), inputs={"type": "object", "properties": {"goal": {"type": "integer"}}})
    refused = post(page, message(secret))
    assert (refused.code, refused.body["error"]["hint"]) == (
        "bad_argument",
        "Fix the listed inputs and start the run again.",
    )


def test_hosts_origins_and_sizes_are_refused_as_everywhere(scene: Scene, page: Page) -> None:
    sent = message(incoming(scene))
    assert post(page, sent, Origin="https://evil.example").status == 403
    assert post(page, message(incoming(scene), {**BODY, "more": "x" * MOST_BYTES})).code == "too_large"
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=60)
    connection.request("POST", PATH, sent[1], JSON | sent[0] | {"Host": "tunnel.example"})
    assert connection.getresponse().status == 421
    connection.close()
    assert Program(page.port).raw("GET", PATH).status == 401
    assert runs(scene) == []


def test_a_schedule_is_listed_with_its_next_time(scene: Scene, connect: Connect) -> None:
    scene.define({"id": "plan", "output": {"artifact": "note", "schema": {"type": "object"}}})
    scene.write(".wfe/config.toml", '[schedule.night]\ncron = "0 3 * * *"\ntimezone = "UTC"\ntemplate = "drill"\n')
    scene.trust_config()
    (one,) = connect("read", "reader").get("/triggers").data["schedules"]
    assert (one["name"], one["cron"], one["next"][:16]) == ("night", "0 3 * * *", "2026-03-02T03:00")


def test_a_schedule_that_does_not_count_is_named(scene: Scene, program: Program) -> None:
    scene.write(".wfe/config.toml", '[schedule.nightly]\ncron = "61 3 * * *"\ntemplate = "drill"\n')
    scene.trust_config()

    (fault,) = program.get("/triggers").data["faults"]
    assert "'61 3 * * *' is no cron expression" in fault
