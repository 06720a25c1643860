"""Who a run waits for, in words."""

import pytest

from tests.dashboard.browser import PIN, Browser
from tests.engine.model_scene import ROLES, configure, gate, server
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, phase
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import pin
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.moves.blockers import waits_for
from wfe_mcp.views.reports.envelopes import overview_of

STEPS = {"id": "go", "kind": "steps", "steps": [{"id": "one", "builtin": "set", "params": {"a": "b"}}]}


def words(scene: Scene, run: str) -> str:
    return waits_for(overview_of(scene.engine, run))


def test_work_waits_for_the_agent_then_a_check_then_you_then_is_finished(scene: Scene) -> None:
    scene.check("ok", "print('fine')")
    scene.work()
    run = scene.start(phase("plan", command("ok"), approval()))
    found = [words(scene, run)]
    scene.begin(run, "plan")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    found.append(words(scene, run))
    scene.work()
    found.append(words(scene, run))
    assert found == ["the agent", "a check", "you"]


def test_steps_wait_for_the_server(scene: Scene) -> None:
    scene.work()
    assert words(scene, scene.start(STEPS)) == "the server"


@pytest.mark.usefixtures("home")
def test_work_and_judgement_of_a_model_wait_for_a_model(scene: Scene) -> None:
    with server() as models:
        configure(scene, models)
        scene.work()
        works = scene.start(phase("plan", kind="llm", role="one"), roles=ROLES)
        judges = scene.start(phase("plan", gate()), roles=ROLES, name="judged")
        scene.begin(judges, "plan")
        answers.submit_artifact(scene.engine, AGENT, judges, "plan", artifact=GOOD)
        assert [words(scene, works), words(scene, judges)] == ["a model", "a model"]


def test_the_page_lists_open_runs_with_who_each_waits_for(scene: Scene) -> None:
    scene.human = pin.set_pin(scene.engine, PIN, HUMAN)
    scene.start(phase("plan"))
    with serve_page(scene.engine, 0) as page:
        assert isinstance(page, Page)
        browser = Browser(page.port)
        listed = browser.send(browser.get("/"), "/", pin=PIN).words
    assert "Open runs" in listed
    assert "the agent" in listed
