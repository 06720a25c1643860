"""Criteria of success and jobs of the user of S1, each played whole; docs/reference/requirements.md lists the other ones."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page as Tab_, expect

from tests.dashboard.api.client import Program, first
from tests.dashboard.api.conftest import connect, person, program
from tests.dashboard.api.test_live_text import other_worker
from tests.dashboard.browser import PIN
from tests.dashboard.test_application import Visit, to, visit
from tests.engine.conftest import home
from tests.engine.model_scene import KEY, ROLES, configure, gate, opinion, server, trust_own
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, phase
from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.templates import trust
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.trust import trust_path

__all__ = ["connect", "home", "person", "program", "visit"]


def signs(shown: Tab_) -> None:
    """The person types their PIN where the page asks for it."""
    asks = shown.get_by_role("dialog")
    asks.get_by_label("PIN").fill(PIN)
    asks.get_by_role("button", name="Sign").click()
    expect(asks).to_have_count(0)


@pytest.mark.requirement("S1-SC-02", "S1-J2")
def test_sc02_j2_the_graph_says_where_a_run_is_while_it_moves(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build", needs=["plan"]), phase("docs", needs=["plan"]))
    shown = visit(f"/runs/{run}/graph")
    nodes, edges = shown.locator(".react-flow__node"), shown.locator(".react-flow__edge")
    expect(nodes).to_have_count(3)
    expect(edges).to_have_count(2)
    plan = nodes.filter(has_text="plan")
    expect(plan).to_contain_text("ready")
    expect(shown.locator(".turn")).to_contain_text("Waiting for the agent")
    scene.begin(run, "plan")
    expect(shown.locator(".turn")).to_contain_text("Working on plan")
    scene.do(run, "plan")
    expect(plan).to_contain_text("passed")
    scene.do(run, "build")
    expect(shown.locator(".figures")).to_contain_text("2 of 3 done")
    scene.do(run, "docs")
    expect(shown.locator(".turn")).to_contain_text("Completed")


@pytest.mark.requirement("S1-SC-03", "S1-J3")
@pytest.mark.usefixtures("home")
def test_sc03_j3_a_template_is_copied_and_edited_as_json_and_its_phases_order_and_model_are_followed(
    scene: Scene, person: Program
) -> None:
    scene.define(phase("plan"), phase("build", needs=["plan"]), phase("docs", needs=["build"]))
    copy = person.post("/templates/{name}/clone", {"name": "drill"}, new_name="mine")
    assert copy.data["template"] == "mine"
    whole: dict[str, Any] = person.get("/templates/{name}", {"name": "mine"}).data["template"]
    plan, _, docs = whole["phases"]
    whole["phases"] = [docs | {"needs": []}, plan | {"needs": ["docs"], "kind": "llm", "role": "one"}]
    whole |= {"version": "2.0.0", "roles": ROLES}
    assert person.post("/templates/{name}/edit", {"name": "mine"}, definition=whole, pin=PIN).status == 200
    with server([Turn(value=GOOD)]) as models:
        configure(scene, models)
        trust.give_trust(scene.engine, HUMAN, ["mine"])
        run = answers.start_run(scene.engine, HUMAN, "mine").run or ""
        scene.begin(run, "docs")
        answers.submit_artifact(scene.engine, AGENT, run, "docs", artifact=GOOD)
        with other_worker(scene):  # another thread than the browser's
            assert first(lambda: scene.state(run).status == "completed")
    assert [asked.model for asked in models.asked] == ["claude"]
    assert [*scene.state(run).attempts] == ["docs", "plan"]


def test_a_key_that_the_provider_rejects_is_replaced_on_the_page_of_settings(
    scene: Scene, visit: Visit, home: Path
) -> None:
    with ModelServer(key=KEY, models=["critic"]) as models:
        shown = visit("/settings")
        shown.get_by_role("button", name="Add a provider").click()
        form = shown.get_by_role("form", name="Add a provider")
        form.get_by_label("Name").fill("desk")
        form.get_by_label("Address").fill(models.v1)
        form.get_by_label("Or the key itself").fill("a-key-of-yesterday")
        form.get_by_role("button", name="Add it").click()
        signs(shown)
        row = shown.locator("#providers li").filter(has_text="desk")
        row.get_by_role("button", name="Test desk").click()
        expect(row.locator(".state").last).to_contain_text("rejected the key")

        row.get_by_role("button", name="Replace the key of desk").click()
        row.get_by_label("New key").fill(KEY)
        row.get_by_role("button", name="Store it").click()
        signs(shown)
        expect(row.locator(".state").last).to_contain_text("It lists 1 model")
        expect(row.get_by_label("New key")).to_have_count(0)


@pytest.mark.requirement("S1-SC-04", "S1-J4", "S1-05")
def test_sc04_j4_a_second_opinion_is_connected_and_disconnected_on_the_page_of_settings(
    scene: Scene, visit: Visit, home: Path
) -> None:
    with ModelServer({"critic": [opinion()]}, key=KEY, models=["critic"]) as models:
        shown = visit("/settings")

        shown.get_by_role("button", name="Add a provider").click()
        form = shown.get_by_role("form", name="Add a provider")
        form.get_by_label("Name").fill("desk")
        form.get_by_label("Address").fill(models.v1)
        form.get_by_label("Or the key itself").fill(KEY)
        form.get_by_role("button", name="Add it").click()
        signs(shown)
        row = shown.locator("#providers li").filter(has_text="desk")
        expect(row).to_contain_text("key set")
        row.get_by_role("button", name="Test desk").click()
        expect(row.locator(".state").last).to_contain_text("It lists 1 model")
        shown.get_by_role("button", name="Fill a role").click()
        form = shown.get_by_role("form", name="Fill a role")
        form.get_by_label("Role").fill("second")
        form.get_by_label("Provider").select_option("desk")
        form.get_by_label("Model").fill("critic")
        form.get_by_role("button", name="Fill it").click()
        signs(shown)
        expect(shown.locator("#roles li")).to_contain_text("desk critic")
        expect(shown.locator("#roles .note")).to_contain_text("counts at a gate once you trust that file")
        address = shown.locator("#roles").get_by_role("link", name="Review and trust").get_attribute("href")
        assert address == f"/{trust_path(scene.engine)}"

        trust_own(scene)
        shown.reload()
        expect(shown.locator("#roles li")).to_contain_text("desk critic")
        expect(shown.locator("#roles .note")).to_have_count(0)
        reviewed = phase("plan", gate(if_missing="note"))
        with other_worker(scene):
            run = scene.start(reviewed, roles={"one": {"provider": "second"}})
            scene.begin(run, "plan")
            answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
            assert first(lambda: scene.state(run).status == "completed")
        assert models.count == 1
        assert scene.attempt(run, "plan").verdicts[0].message == "1 of 1 reviewer passes, quorum 1."

        to(shown, "/settings")
        row.get_by_role("button", name="Switch off desk").click()
        expect(row).to_contain_text("switched off")
        trust_own(scene)
        with other_worker(scene):
            run = scene.start(reviewed, roles={"one": {"provider": "second"}})
            scene.begin(run, "plan")
            answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
            assert first(lambda: bool(scene.attempt(run, "plan").verdicts))
        assert models.count == 1, "it is not asked any more"
    held = b"".join(file.read_bytes() for file in home.parent.rglob("*") if file.is_file())
    assert KEY.encode() not in held
    assert KEY not in shown.content()


@pytest.mark.requirement("S1-J8")
def test_j8_a_run_is_paused_and_resumed_on_its_page_and_loses_nothing(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build", needs=["plan"]))
    scene.begin(run, "plan")
    shown = visit(f"/runs/{run}/list")
    shown.get_by_role("button", name="Pause", exact=True).click()
    expect(shown.locator(".turn")).to_contain_text("Paused")
    scene.submit(run, "plan")
    with pytest.raises(Refused, match="waits for the paused run to be resumed"):
        scene.begin(run, "build")
    shown.get_by_role("button", name="Resume", exact=True).click()
    signs(shown)
    expect(shown.locator(".turn")).not_to_contain_text("Paused")
    expect(shown.locator("tbody tr").first).to_contain_text("passed")
    scene.do(run, "build")
    expect(shown.locator(".turn")).to_contain_text("Completed")
