"""The application when a run did not go as it should: failed phases and every way on, forced phases, weakened gates,
folders that are gone.
"""

from pathlib import Path

from playwright.sync_api import expect

from tests.dashboard.browser import PIN, asked
from tests.dashboard.play import Play
from tests.dashboard.test_play import console_errors, play, row
from tests.engine.conftest import blank
from tests.engine.scene import approval, command, phase

__all__ = ["blank", "play"]


def failed(play: Play, name: str) -> str:
    """A run whose phase ``build`` failed for good."""
    run = play.scene.start(
        phase("build", command("red"), on_fail=[{"do": "wait_human"}]), phase("ship"), name=name, title=name
    )
    play.scene.do(run, "build", {"title": "first"})
    return run


def test_a_failed_phase_offers_every_way_on(play: Play) -> None:
    run = failed(play, "stopped")
    shown = play.to(f"/runs/{run}/list")
    ways = shown.get_by_role("region", name="Ways on for build")
    expect(ways).to_contain_text("no")
    for name in ("Edit and resubmit", "Retry", "Force-accept", "Roll back to its start", "Skip"):
        expect(ways.get_by_text(name)).to_be_visible()
    ways.get_by_role("button", name="Retry").click()
    dialog = shown.get_by_role("dialog")
    dialog.get_by_label("Feedback to the next attempt").fill("Try the other file.")
    dialog.get_by_role("button", name="Retry").click()
    play.sign()
    expect(row(play, "build")).to_contain_text("attempt 2")
    assert play.scene.attempt(run, "build").feedback[-1].message.startswith("Try the other file.\n\n")


def test_a_failed_artifact_is_edited_beside_its_schema_and_judged_again(play: Play) -> None:
    run = failed(play, "edit_it")
    shown = play.to(f"/runs/{run}/list")
    shown.get_by_role("region", name="Ways on for build").get_by_role("link", name="Edit and resubmit").click()
    expect(shown.get_by_label("What is expected")).to_contain_text('"minLength": 1')
    shown.get_by_label("title").fill("second")
    shown.get_by_role("button", name="Store and judge again").click()
    play.sign()
    shown.wait_for_function("() => location.hash.includes('/list/build')")
    play.to(f"/artifact/{run}/build/2")
    expect(shown.locator("main")).to_contain_text("second")
    shown.get_by_role("button", name="Difference").click()
    expect(shown.locator(".was")).to_contain_text("first")
    play.to(f"/runs/{run}/list")  # until its gates ended, nothing else begins in this folder
    expect(shown.get_by_role("region", name="Ways on for build")).to_be_visible()


def test_a_forced_phase_shows_that_the_run_is_tainted_wherever_it_matters(play: Play) -> None:
    run = failed(play, "forced")
    shown = play.to(f"/runs/{run}/list")
    ways = shown.get_by_role("region", name="Ways on for build")
    ways.get_by_role("button", name="Force-accept").click()
    dialog = shown.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Force-accept")).to_be_disabled()
    dialog.get_by_label("Reason").fill("the check is broken")
    dialog.get_by_role("button", name="Force-accept").click()
    play.sign()
    expect(row(play, "build")).to_contain_text("forced")
    expect(shown.locator(".turn")).to_contain_text("Tainted")
    play.to("/runs")
    expect(shown.locator("tr").filter(has_text=run)).to_contain_text("tainted")
    play.to(f"/runs/{run}/graph")
    expect(shown.locator(".node.weak")).to_have_count(1)
    play.to(f"/compare/{run}/{run}")
    expect(shown.locator("main")).to_contain_text("tainted")
    play.to("/board")
    expect(shown.locator("a.card").filter(has_text="forced")).to_contain_text("tainted")
    expect(shown.locator("a.card").filter(has_text="forced")).not_to_contain_text("weakened")


def test_a_failed_phase_is_skipped_with_a_reason(play: Play) -> None:
    run = failed(play, "skipped")
    shown = play.to(f"/runs/{run}/list")
    shown.get_by_role("region", name="Ways on for build").get_by_role("button", name="Skip").click()
    shown.get_by_role("dialog").get_by_label("Reason").fill("not needed")
    shown.get_by_role("dialog").get_by_role("button", name="Skip").click()
    play.sign()
    expect(row(play, "build")).to_contain_text("skipped")


def test_a_weakened_gate_is_named_in_every_view_of_its_run(play: Play) -> None:
    scene = play.scene
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(
        config.read_text(encoding="utf-8") + '[templates.weak.phases.sign]\napprover = "skip"\n', encoding="utf-8"
    )
    scene.trust_config()
    run = scene.start(phase("sign", approval()), phase("check", command("ok")), name="weak", title="Weak")
    shown = play.to(f"/runs/{run}/list")
    expect(row(play, "sign")).to_contain_text("weakened")
    expect(row(play, "check")).not_to_contain_text("weakened")
    expect(shown.locator(".note").filter(has_text="Weakened gate.")).to_contain_text(
        "your approval is no longer required"
    )
    expect(shown.locator(".figures")).to_contain_text("1 weakened gate")
    play.to(f"/runs/{run}/graph/sign")
    expect(shown.locator(".node.weak")).to_have_count(1)
    expect(shown.get_by_label("Phase sign")).to_contain_text("a gate asks for less than the template")
    play.to("/runs")
    expect(shown.locator("tr").filter(has_text=run)).to_contain_text("1 weakened gate")
    play.to("/board")
    expect(shown.locator(f"a.card[href='#/runs/{run}']")).to_contain_text("1 weakened gate")
    play.to(f"/projects/{scene.engine.project_id}")
    expect(shown.locator(f"a[href='#/runs/{run}']")).to_contain_text("1 weakened gate")
    play.to(f"/compare/{run}/{run}")
    expect(shown.locator("main")).to_contain_text("1 weakened gate")


def test_no_failure_is_an_error_in_the_console(play: Play) -> None:
    play.to("/inbox")
    expect(play.page.locator("h1")).to_have_text("Inbox")
    assert console_errors(play) == []


def test_a_project_whose_folder_was_renamed_is_found_again_on_the_page(play: Play, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    (before / ".wfe").mkdir(parents=True)
    shown = play.to("/projects")
    shown.get_by_label("Folder of the project").fill(str(before))
    shown.get_by_label("Name of the project").fill("The Shop")
    shown.get_by_role("button", name="Add a project").click()
    expect(shown.locator("h1")).to_have_text("The Shop")
    before.rename(after)
    play.to("/projects")
    missing = shown.get_by_role("region", name="The Shop, missing")
    expect(missing).to_contain_text("folder missing")
    missing.get_by_label("Where it is now").fill(str(after))
    missing.get_by_role("button", name="It was renamed or moved").click()
    expect(missing).to_contain_text("It has the mark of this project")
    missing.get_by_role("button", name="It is the same project").click()
    play.sign()
    expect(shown.get_by_role("link", name="The Shop")).to_contain_text(str(after))


def test_a_decision_whose_server_was_killed_is_signed_once_it_is_back_and_counts_once(play: Play) -> None:
    run = play.scene.start(phase("plan", approval()), phase("build"), name="lost", title="Lost")
    play.scene.do(run, "plan")
    shown = play.to(f"/inbox/{asked(play.scene, run)}")
    shown.get_by_role("button", name="Send back").click()
    shown.get_by_label("What should be different?").fill("Say why")
    play.end()
    sign = shown.get_by_role("button", name="Sign and send back")
    shown.get_by_label("PIN").fill(PIN)
    sign.click()
    expect(shown.get_by_role("alert")).to_contain_text("It is not known whether this was decided.")
    play.begin()
    expect(shown.locator(".decide")).to_contain_text("The server answers again, and this is still open.")
    expect(shown.get_by_role("alert")).to_have_count(0)
    expect(shown.get_by_label("What should be different?")).to_have_value("Say why")
    shown.get_by_label("PIN").fill(PIN)
    sign.click()
    expect(shown.locator("main")).to_contain_text("Rejected by")
    assert play.scene.events(run).count("AttemptFailed") == 1
