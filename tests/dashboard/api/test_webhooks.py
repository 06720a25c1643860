"""Webhooks through the API: what the page shows, and sending again."""

import json

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.engine.conftest import home
from tests.engine.scene import Scene
from tests.engine.step_scene import until
from tests.engine.webhooks.receiver import receiving, secrets
from wfe_mcp.engine.webhooks.deliveries import send_test

__all__ = ["home"]


@pytest.mark.requirement("S4-28")
def test_deliveries_are_listed_and_sent_again_and_a_secret_is_never_shown(
    scene: Scene, program: Program, connect: Connect
) -> None:
    assert program.get("/webhooks").data == {"webhooks": [], "deliveries": []}
    with receiving(scene) as receiver:
        send_test(scene.engine, "n8n")
        scene.work()
        found = program.get("/webhooks")
        (one,) = found.data["deliveries"]
        assert (one["state"], one["answer"], one["tries"]) == ("delivered", 204, 1)
        assert found.data["webhooks"][0]["origin"] == receiver.origin
        text = json.dumps(found.body)
        assert secrets(scene)[0] not in text
        assert "secret-path" not in text

        assert connect("read", "reader").post("/webhooks/redeliver", deliveries=[one["job"]]).code == "forbidden"
        again = connect("work", "worker").post("/webhooks/redeliver", deliveries=[one["job"]]).data
        assert [each["id"] for each in again["deliveries"]] == [one["id"]]
        assert again["deliveries"][0]["job"] != one["job"]
        assert program.post("/webhooks/redeliver", deliveries=["nope"]).status != 200


def test_what_is_sent_again_at_the_page_leaves_without_another_process(scene: Scene, program: Program) -> None:
    with receiving(scene) as receiver:
        receiver.answer = lambda _: (410, {}, b"")
        send_test(scene.engine, "n8n")
        scene.work()
        receiver.answer = lambda _: (204, {}, b"")
        (one,) = program.get("/webhooks").data["deliveries"]
        program.post("/webhooks/redeliver", deliveries=[one["job"]])
        until(lambda: len(receiver.heard) == 2, 10)

        nothing = program.post("/webhooks/redeliver")
        assert (nothing.code, nothing.status) == ("bad_argument", 400)


def test_what_is_configured_and_does_not_count_is_named(scene: Scene, program: Program) -> None:
    hook, site = 'url = "http://localhost:5678/x"', 'deploy = "none"\nhealth = "none"'
    scene.write(".wfe/config.toml", f"[webhooks.n8n]\n{hook}\n[environments.staging]\n{site}\n")
    scene.trust_config()
    (hook,) = program.get("/webhooks").data["faults"]
    assert hook.startswith("[webhooks.n8n] does not count: plain http to http://localhost:5678 is not allowed")
    (site,) = program.get("/environments").data["faults"]
    assert "environments.staging" in site, site


@pytest.mark.requirement("S4-28")
def test_a_test_is_sent_once_and_answered_with_what_came_back(scene: Scene, program: Program, connect: Connect) -> None:
    with receiving(scene) as receiver:
        assert connect("read", "reader").post("/webhooks/{name}/test", {"name": "n8n"}).code == "forbidden"
        worked = program.post("/webhooks/{name}/test", {"name": "n8n"})
        assert (worked.data["state"], worked.data["answer"], worked.data["event"]) == ("delivered", 204, "webhook.test")
        assert worked.body["summary"] == "n8n answered 204: it gets what happens."
        receiver.answer = lambda _: (500, {}, b"")
        failed = program.post("/webhooks/{name}/test", {"name": "n8n"})
        assert (failed.code, failed.data_of_refusal["tries"]) == ("unavailable", 1)
        assert "it answered 500" in failed.body["error"]["message"]
        assert [one.body["type"] for one in receiver.heard] == ["webhook.test", "webhook.test"]
        assert program.post("/webhooks/{name}/test", {"name": "n9n"}).code == "bad_argument"
