"""The application from the first run to the last: one page, one browser, agents in other processes."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium, Locator, expect

from tests.dashboard.chromium import comment_on
from tests.dashboard.play import Play, played
from tests.engine.conftest import blank
from tests.engine.scene import approval, command, phase
from tests.fake_models.server import ModelServer
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.templates.catalogue import template_definition

__all__ = ["blank"]


SOURCES = Path(__file__).resolve().parents[1] / "importers"
ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["decision"],
    "additionalProperties": False,
    "properties": {
        "decision": {"type": "string", "minLength": 1, "maxLength": 80, "description": "what you decide"},
        "size": {"type": "integer", "minimum": 1},
        "risk": {"enum": ["low", "high"]},
        "owner": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "maxLength": 60}}},
        "steps": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["what"],
                "properties": {"what": {"type": "string", "maxLength": 60}},
            },
        },
        "notes": {"type": "array", "items": {"type": "string"}},
    },
}


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory, blank: Path, chromium: Chromium) -> Iterator[Play]:
    with played(tmp_path_factory.mktemp("play"), blank, chromium) as made:
        made.scene.check("ok", "print('fine')")
        made.scene.check("red", "import sys; sys.exit('no')")
        yield made


def console_errors(play: Play) -> list[str]:
    """What the page wrote to its console, but for requests that the server refused or did not live to answer."""
    return [each for each in play.tab.console if "Failed to load resource" not in each and "ERR_" not in each]


def row(play: Play, name: str) -> Locator:
    return play.page.locator("section[aria-label=List] tbody tr").filter(
        has=play.page.get_by_role("link", name=name, exact=True)
    )


def test_a_run_that_the_page_began_is_worked_by_a_client_in_another_process_and_watched_live(play: Play) -> None:
    play.scene.define(phase("plan", command("ok")), phase("build"), name="watched", title="Watched")
    shown = play.to("/start/watched")
    shown.get_by_label("goal").fill("a better page")
    shown.get_by_role("button", name="Start the run").click()
    shown.wait_for_function("() => location.hash.startsWith('#/runs/')")
    run = shown.url.rpartition("/")[2]
    play.to(f"/runs/{run}/list")
    expect(row(play, "plan")).to_contain_text("ready to start")

    with play.agent() as agent:
        claimed = agent.call("start_phase", run=run, phase="plan")
        expect(row(play, "plan")).to_contain_text("running")
        expect(shown.locator(".turn")).to_contain_text("Working on plan")
        expect(shown.locator(".track .bar.running")).to_have_count(1)
        agent.call(
            "submit_artifact", run=run, phase="plan", attempt=claimed["data"]["attempt"], artifact={"title": "a plan"}
        )
        expect(row(play, "plan")).to_contain_text("passed")
        expect(row(play, "build")).to_contain_text("ready to start")
        agent.call("start_phase", run=run, phase="build")
        agent.call("submit_artifact", run=run, phase="build", artifact={"title": "built"})
        expect(shown.locator(".turn")).to_contain_text("Completed")
    play.to(f"/runs/{run}/events")
    expect(shown.locator(".filters option").first).to_have_text(f"all {len(play.scene.events(run))}")


def test_a_line_is_commented_and_sent_back_to_the_agent_and_what_comes_next_is_approved(play: Play) -> None:
    scene = play.scene
    run = scene.start(phase("fix", command("ok"), approval()), name="reviewed", title="Reviewed")
    with play.agent() as agent:
        agent.call("start_phase", run=run, phase="fix")
        scene.write("app.py", "VALUE = 2\nOTHER = 1\n")
        agent.call("submit_artifact", run=run, phase="fix", artifact={"title": "two"})
        asked = agent.call("approve", run=run, phase="fix")
        assert asked["error"]["code"] == "needs_human"
        shown = play.to(f"/inbox/{asked['data']['request']}")
        comment_on(shown.locator("[id='f-app.py'] tr.add").first, "Three, not two.")
        shown.locator("[id='f-app.py'] tr.add").last.get_by_role("button", name="Comment on line").click()
        shown.get_by_role("textbox", name="Comment").fill("Typed, and not kept by its button.")
        shown.get_by_role("button", name="Send back").first.click()
        shown.get_by_label("What should be different?").fill("Nearly.")
        shown.get_by_label("PIN").fill("correct horse")
        shown.get_by_role("button", name="Sign and send back").click()
        expect(shown.get_by_role("status").filter(has_text="Rejected by")).to_be_visible()

        again = agent.call("start_phase", run=run, phase="fix")
        document = json.dumps(again["data"]["feedback"])
        assert "Three, not two." in document
        assert "Typed, and not kept by its button." in document
        assert "app.py" in document
        scene.write("app.py", "VALUE = 3\n")
        agent.call("submit_artifact", run=run, phase="fix", artifact={"title": "three"})
        request = agent.call("approve", run=run, phase="fix")["data"]["request"]
    play.to(f"/inbox/{request}")
    shown.get_by_role("button", name="Approve").click()
    shown.get_by_label("PIN").fill("correct horse")
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.get_by_role("status").filter(has_text="Approved by")).to_be_visible()
    assert scene.attempt(run, "fix").status == "completed"


def test_a_phase_of_a_person_is_filled_in_from_the_schema_of_its_artifact(play: Play) -> None:
    scene = play.scene
    human = phase("choose", command("ok"), kind="human", title="Choose a way") | {
        "output": {"artifact": "choice", "schema": ANSWER}
    }
    run = scene.start(human, phase("build", needs=["choose"]), name="asks", title="Asks")
    shown = play.to("/inbox")
    shown.locator(".inbox a.item").filter(has_text="Your task: Choose a way").click()
    play.to(f"/runs/{run}/list")
    shown.locator(".turn").get_by_role("link", name="fill in choose").click()
    expect(shown.locator("h1")).to_have_text("Your task: Choose a way")
    shown.get_by_label("decision").fill("the short way")
    shown.get_by_label("size").fill("three")
    shown.get_by_label("risk").select_option("low")
    shown.get_by_role("group", name="owner").get_by_label("name").fill("ada")
    shown.get_by_role("button", name="Add to steps").click()
    shown.get_by_role("group", name="steps").get_by_label("what").fill("measure")
    shown.get_by_label("notes").fill("one\ntwo")
    shown.get_by_role("button", name="Submit").click()
    play.sign()
    expect(shown.get_by_role("alert")).to_contain_text("/size")
    expect(shown.get_by_label("decision")).to_have_value("the short way")
    shown.get_by_label("size").fill("3")
    shown.get_by_role("button", name="Submit").click()
    play.sign()
    shown.wait_for_function("() => location.hash.includes('/list/choose')")
    expect(row(play, "choose")).to_contain_text("passed")
    assert scene.attempt(run, "choose").status == "completed"
    play.to(f"/artifact/{run}/choose")
    shown.get_by_role("button", name="JSON", exact=True).click()
    made = json.loads(shown.get_by_label("As JSON").inner_text())
    assert made == {
        "decision": "the short way",
        "size": 3,
        "risk": "low",
        "owner": {"name": "ada"},
        "steps": [{"what": "measure"}],
        "notes": ["one", "two"],
    }


def test_a_template_is_edited_as_a_form_and_as_json_and_a_run_starts_from_it(play: Play) -> None:
    made = play.scene.define(
        phase("plan", command("ok"), on_fail=[{"do": "retry", "max_attempts": 2}]), phase("build"), name="edited"
    )
    shown = play.to("/templates/edited")
    shown.locator("details.phase").first.get_by_label("Title", exact=True).fill("Plan it")
    shown.get_by_label("Phases in parallel").fill("2")
    play.to("/templates/edited/json")
    field = shown.get_by_label("Definition as JSON")
    found = json.loads(field.input_value())
    assert found["phases"][0].pop("title") == "Plan it"
    assert found.pop("limits") == {"max_parallel": 2}
    assert found == made, "every other key is as it was"
    found["version"] = "1.1.0"
    found["phases"][0]["title"] = "Plan it well"
    field.fill(json.dumps(found))
    expect(shown.locator(".problems")).to_have_count(0)
    shown.get_by_role("button", name="Save a version").click()
    expect(shown.get_by_role("status").filter(has_text="edited 1.1.0")).to_be_visible()
    trust = shown.get_by_role("region", name="Trust edited@1.1.0")
    expect(trust).to_contain_text("Write plan.")
    trust.get_by_role("button", name="Trust it").click()
    play.sign()
    expect(trust).to_have_count(0)
    play.to("/templates/edited@1.1.0")
    expect(shown.locator("details.phase").first.get_by_label("Title", exact=True)).to_have_value("Plan it well")
    play.to("/templates/edited@1.1.0/diff")
    shown.get_by_label("What changed since").select_option("edited")
    expect(shown.get_by_role("region", name="Changes")).to_contain_text("/phases/0/title")
    play.to("/start/edited@1.1.0")
    shown.get_by_role("button", name="Start the run").click()
    shown.wait_for_function("() => location.hash.startsWith('#/runs/')")
    run = play.scene.state(shown.url.rpartition("/")[2])
    assert [each.path for each in run.spec.phases] == ["plan", "build"]


def test_a_provider_is_configured_and_tested_against_a_model_server(play: Play) -> None:
    with ModelServer(models=["small"]) as models:
        shown = play.to("/settings")
        shown.get_by_role("button", name="Add a provider").click()
        form = shown.get_by_role("form", name="Add a provider")
        form.get_by_label("Name").fill("desk")
        form.get_by_label("Address").fill(f"{models.origin}/v1")
        form.get_by_label("Variable with its key").fill("WFE_MODEL_KEY")
        form.get_by_role("button", name="Add it").click()
        play.sign()
        line = shown.locator("#providers li").filter(has_text="desk")
        expect(line).to_contain_text("key set")
        assert "k-secret" not in shown.content()
        line.get_by_role("button", name="Test desk").click()
        expect(line.locator(".state").last).to_contain_text("It lists 1 model")
        shown.get_by_role("button", name="Fill a role").click()
        roles = shown.get_by_role("form", name="Fill a role")
        roles.get_by_label("Role").fill("reviewer")
        roles.get_by_label("Provider").select_option("desk")
        roles.get_by_label("Model").fill("small")
        roles.get_by_role("button", name="Fill it").click()
        play.sign()
        expect(shown.locator("#roles li").filter(has_text="reviewer")).to_contain_text("desk small")
        line.get_by_role("button", name="Switch off desk").click()
        expect(line).to_contain_text("switched off")
        line.get_by_role("button", name="Remove desk").click()
        play.sign()
        expect(line).to_have_count(0)


def test_the_approval_policy_is_changed_after_what_weakens_was_shown(play: Play) -> None:
    play.scene.define(phase("plan"), name="allowed", title="Allowed")
    shown = play.to("/settings")
    policy = shown.locator("#policy")
    expect(policy).to_contain_text("any template")

    def change(**chosen: str) -> Locator:
        policy.get_by_role("button", name="Change the policy").click()
        form = shown.get_by_role("form", name="Change the policy")
        for label, option in chosen.items():
            form.get_by_role("combobox", name=label.replace("_", " ")).select_option(option)
        return form

    form = change(Agents_may_start="named", Least_evidence_of_checks="checkout")
    form.get_by_label("allowed", exact=True).check()
    form.get_by_role("button", name="Show the change").click()
    expect(form.get_by_role("region", name="What changes")).not_to_contain_text("weakens")
    expect(form).to_contain_text("wfe-mcp config policy --templates allowed --evidence checkout")
    form.get_by_role("button", name="Sign the change").click()
    play.sign()
    expect(form).to_have_count(0)
    expect(policy).to_contain_text("allowed")
    assert play.scene.process().settings().settings.policy.evidence == "checkout"

    form = change(Agents_may_start="any", Least_evidence_of_checks="")
    form.get_by_role("button", name="Show the change").click()
    expect(form.get_by_text("weakens")).to_have_count(2)
    expect(form).to_contain_text("2 changes let agents do more than now")
    form.get_by_role("button", name="Sign the weaker policy").click()
    play.sign()
    expect(form).to_have_count(0)
    expect(policy).to_contain_text("any template")


def test_two_runs_are_compared_down_to_their_artifacts(play: Play) -> None:
    scene = play.scene
    one = scene.start(phase("plan"), phase("build"), name="twice", title="Twice", inputs={"goal": "short"})
    two = scene.start(phase("plan"), phase("build"), name="twice", title="Twice", inputs={"goal": "long"})
    scene.do(one, "plan", {"title": "left"})
    scene.do(two, "plan", {"title": "right"})
    scene.do(two, "build", {"title": "built"})
    shown = play.to(f"/compare/{one}")
    shown.get_by_label("The other run").select_option(two)
    expect(shown.locator("h2").filter(has_text="Inputs")).to_be_visible()
    expect(shown.locator("main")).to_contain_text("/goal")
    plan = shown.locator("table.compare tr.unlike").filter(has_text="plan")
    plan.get_by_role("link", name="Show the difference").click()
    expect(shown.get_by_role("status").filter(has_text="1 difference")).to_contain_text(one)
    expect(shown.locator(".was del")).to_have_text("left")
    expect(shown.locator(".was ins")).to_have_text("right")


def test_a_run_is_rolled_back_and_the_rollback_undone_and_done_again(play: Play) -> None:
    scene = play.scene
    run = scene.start(phase("plan"), phase("build"), name="back", title="Back")
    scene.do(run, "plan")
    shown = play.to(f"/runs/{run}/list")
    shown.locator(".cps li").last.get_by_role("button", name="Roll back").click()
    shown.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(row(play, "plan")).not_to_contain_text("passed")
    expect(shown.get_by_role("button", name="Redo")).to_have_count(0)
    shown.get_by_role("button", name="Undo the last command").click()
    shown.get_by_role("dialog").get_by_role("button", name="Undo", exact=True).click()
    play.sign()
    expect(row(play, "plan")).to_contain_text("passed")
    shown.get_by_role("button", name="Redo").click()
    shown.get_by_role("dialog").get_by_role("button", name="Redo", exact=True).click()
    play.sign()
    expect(row(play, "plan")).not_to_contain_text("passed")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_server_is_killed_and_no_event_is_lost(play: Play) -> None:
    scene = play.scene
    run = scene.start(phase("plan"), phase("build"), phase("ship"), name="lost", title="Lost")
    shown = play.to(f"/runs/{run}/events")
    expect(shown.locator(".live")).to_have_text("live")
    os.kill(play.ui.pid, signal.SIGKILL)
    expect(shown.locator(".live")).to_contain_text("lost")
    with play.agent() as agent:
        for each in ("plan", "build"):
            agent.call("start_phase", run=run, phase=each)
            agent.call("submit_artifact", run=run, phase=each, artifact={"title": each})
    play.end()
    play.begin()
    expect(shown.locator(".live")).to_have_text("live")
    expect(shown.locator(".filters option").first).to_have_text(f"all {len(scene.events(run))}")


def test_a_template_is_cloned_made_the_default_and_imported(play: Play, tmp_path: Path) -> None:
    made = play.scene.define(phase("plan"), name="original", title="The original")
    shown = play.to("/templates")
    shown.get_by_role("button", name="Clone original").click()
    shown.get_by_label("Name of the copy").fill("a_copy")
    shown.get_by_role("dialog").get_by_role("button", name="Clone").click()
    shown.wait_for_function("() => location.hash.includes('a_copy')")
    expect(shown.locator("h1")).to_have_text("The original")
    file = tmp_path / "brought.json"
    file.write_text(json.dumps({**made, "name": "brought", "title": "Brought in"}), encoding="utf-8")
    play.to("/templates")
    shown.get_by_label("Import a template").set_input_files(file)
    report = shown.get_by_role("dialog")
    expect(report).to_contain_text("Everything is carried over.")
    report.get_by_role("button", name="Store it").click()
    expect(shown.locator("h1")).to_have_text("Brought in")
    play.to("/templates")
    shown.get_by_role("button", name="Make original the default").click()
    expect(
        shown.locator("tr")
        .filter(has_text="The original")
        .filter(has=shown.get_by_role("link", name="original", exact=True))
    ).to_contain_text("default")


def test_a_workflow_of_another_system_is_stored_after_its_report_and_a_plan_is_shown(
    play: Play, tmp_path: Path
) -> None:
    flow, plan = tmp_path / "flow.json", tmp_path / "milestones.md"
    flow.write_bytes((SOURCES / "afu9/issue_to_pr.json").read_bytes())
    plan.write_bytes((SOURCES / "aiw/first_plan.md").read_bytes())
    shown = play.to("/templates")
    shown.get_by_label("Import a template").set_input_files(flow)
    report = shown.get_by_role("dialog")
    expect(report).to_contain_text("AFU-9")
    with pytest.raises(Refused):
        template_definition(play.scene.process(), "issue_to_pr@1.0.0")
    report.get_by_role("button", name="Store it").click()
    shown.wait_for_function("() => location.hash.startsWith('#/templates/')")
    stored = template_definition(play.scene.process(), "issue_to_pr@1.0.0")
    assert stored.definition["phases"]
    play.to("/templates")
    shown.get_by_label("Import a template").set_input_files(plan)
    expect(report).to_contain_text("a plan of milestones")
    expect(report.get_by_label("As text")).to_contain_text('"milestones"')
    expect(report.get_by_role("button", name="Store it")).to_have_count(0)
    report.get_by_role("button", name="Back").click()
    expect(report).to_have_count(0)


def test_a_folder_becomes_a_project_with_its_statistics(play: Play, tmp_path: Path) -> None:
    run = play.scene.start(phase("plan"), name="counted", title="Counted")
    play.scene.do(run, "plan")
    shown = play.to("/projects")
    (tmp_path / "package.json").write_text('{"devDependencies": {"vitest": "1"}}', encoding="utf-8")
    (tmp_path / "yarn.lock").touch()
    shown.get_by_label("Folder of the project").fill(str(tmp_path))
    shown.get_by_role("button", name="Add a project").click()
    expect(shown.locator("h1")).to_have_text(tmp_path.name)
    stack = shown.locator("#stack")
    for each in ("the project", "JavaScript", "yarn", "vitest"):
        expect(stack.locator("tbody tr")).to_contain_text(each)
    expect(stack.get_by_role("listitem")).to_contain_text("yarn run vitest run because of package.json")
    play.to(f"/projects/{play.scene.engine.project_id}")
    expect(shown.locator("#statistics tr").filter(has_text="counted")).to_contain_text("1 of 1")


def test_nothing_of_all_this_is_an_error_in_the_console(play: Play) -> None:
    play.to("/inbox")
    expect(play.page.locator("h1")).to_have_text("Inbox")
    assert console_errors(play) == []
