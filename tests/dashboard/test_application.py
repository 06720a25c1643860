"""The application in a real browser: live, by keyboard, in several tabs, and after the server was killed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page as Tab_, expect

from tests.dashboard.browser import PIN, WRONG, asked
from tests.dashboard.chromium import Tab, comment_on, is_live
from tests.dashboard.stage import Stage
from tests.engine.scene import Scene, approval, command, phase
from tests.fake_models.server import ModelServer
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.store.records.calls import NewToolCall

ROOT = Path(__file__).resolve().parents[2]

Visit = Callable[..., Tab_]


@pytest.fixture
def visit(scene: Scene, page: Page, tab: Tab) -> Visit:
    """Open the application by a fresh link, at the time of the scene, and go to one of its pages."""

    def go(address: str = "/inbox") -> Tab_:
        tab.set_time(scene.clock.now)
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        to(tab.page, address)
        return tab.page

    return go


def to(shown: Tab_, address: str) -> None:
    shown.evaluate("(to) => { location.hash = to; }", address)


def waiting(scene: Scene) -> tuple[str, str]:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok"), approval()), inputs={"goal": "more"})
    scene.do(run, "plan")
    return run, asked(scene, run)


# -- sessions ------------------------------------------------------------------------------------------------------------


def test_a_link_opens_the_inbox_and_its_code_leaves_the_address(scene: Scene, visit: Visit, tab: Tab) -> None:
    waiting(scene)
    shown = visit()
    expect(shown.locator(".inbox .title")).to_have_text("Approve plan: goal more")
    assert "code" not in shown.url
    assert shown.context.cookies() == [] or all("wfes_" not in each["value"] for each in shown.context.cookies())  # pyright: ignore[reportTypedDictNotRequiredAccess]
    assert tab.console == []


def test_a_page_without_a_session_shows_the_command_and_nothing_else(scene: Scene, page: Page, tab: Tab) -> None:
    waiting(scene)
    tab.page.goto(f"{page.url}app/")
    expect(tab.page.locator("h1")).to_have_text("Open this page by its command")
    expect(tab.page.locator(".cli code")).to_have_text("wfe-mcp ui")
    assert "plan" not in tab.words


def test_a_second_tab_borrows_the_session_of_the_first(scene: Scene, page: Page, visit: Visit) -> None:
    waiting(scene)
    first = visit()
    second = first.context.new_page()
    second.goto(f"{page.url}app/#/inbox")
    expect(second.locator(".inbox .title")).to_have_text("Approve plan: goal more")


# -- live ------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("S1-01", "S1-03", "S1-28", "S1-33", "S2-29")
def test_what_an_agent_does_appears_by_itself(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build"))
    shown = visit(f"/runs/{run}/list")
    expect(shown.locator("tbody tr").first).to_contain_text("ready to start")
    scene.do(run, "plan")
    expect(shown.locator("tbody tr").first).to_contain_text("passed")
    scene.begin(run, "build")
    expect(shown.locator(".turn")).to_contain_text("Working on build")


def test_a_phase_shows_each_tool_call_with_its_input_and_output(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    with scene.store.tx() as tx:
        call = NewToolCall(RunId(run), PhasePath("plan"), 1, "read_file", {"path": "a.py"}, "job-1")
        tx.tool_calls.end(tx.tool_calls.begin(call), "print()", ok=True, duration_ms=12)
    shown = visit(f"/runs/{run}/list/plan")
    shown.get_by_role("tab", name="Tools").click()
    line = shown.locator(".calls summary")
    expect(line).to_contain_text('read_file {"path":"a.py"}12 ms')
    line.click()
    expect(shown.locator(".calls pre")).to_have_text("print()")


def test_the_title_counts_what_waits(scene: Scene, visit: Visit) -> None:
    shown = visit("/runs")
    expect(shown).to_have_title("Runs · wfe")
    waiting(scene)
    expect(shown).to_have_title("(1) Runs · wfe")


@contextmanager
def server(scene: Scene, port: int) -> Generator[subprocess.Popen[str]]:
    """``wfe-mcp ui`` as a process of its own, on the database of the scene."""
    url = scene.engine.store.health().path
    environment = {**os.environ, **scene.environment, "WFE_DATABASE_URL": f"sqlite:///{url}", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "wfe_mcp", "ui", "--port", str(port), "--no-browser", "--json"],
        cwd=scene.root,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


# -- pages -----------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("S1-04")
def test_a_run_is_started_from_the_form_of_its_inputs(scene: Scene, visit: Visit) -> None:
    scene.define(
        phase("plan"),
        schema={
            "type": "object",
            "required": ["goal"],
            "properties": {"goal": {"type": "string"}, "size": {"type": "integer"}},
        },
    )
    shown = visit("/start/drill")
    shown.get_by_label("goal").fill("a better page")
    shown.get_by_label("size").fill("3")
    expect(shown.locator(".formgrid .cli code")).to_have_text(
        "wfe-mcp start drill --input goal='a better page' --input size=3"
    )
    shown.get_by_role("button", name="Start the run").click()
    shown.wait_for_function("() => location.hash.startsWith('#/runs/')")
    run = shown.url.rpartition("/")[2]
    assert scene.state(run).status == "running"


@pytest.mark.requirement("S1-03", "S1-06", "S2-29")
def test_every_key_of_a_template_survives_the_form(scene: Scene, visit: Visit) -> None:
    made = scene.define(phase("plan", on_fail=[{"do": "retry", "max_attempts": 2}]), phase("build", needs=["plan"]))
    shown = visit("/templates/drill")
    shown.locator("details.phase").first.get_by_label("Title").fill("Plan it")
    to(shown, "/templates/drill/json")
    found = json.loads(shown.get_by_label("Definition as JSON").input_value())
    assert found["phases"][0].pop("title") == "Plan it"
    assert found == made


def test_a_faulty_template_is_reported_while_it_is_typed(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"), phase("build", needs=["plan"]))
    shown = visit("/templates/drill/json")
    field = shown.get_by_label("Definition as JSON")
    field.fill(field.input_value().replace('"plan"\n', '"plann"\n'))
    expect(shown.locator(".problems")).to_contain_text("plann")
    expect(shown.get_by_role("button", name="Save a version")).to_be_enabled()


@pytest.mark.requirement("S1-28")
def test_a_run_is_rolled_back_and_the_rollback_undone(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    shown = visit(f"/runs/{run}/list")
    row = shown.locator(".cps li").last
    row.get_by_role("button", name="Roll back").click()
    shown.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(shown.locator("tbody tr").first).not_to_contain_text("passed")
    assert "RolledBack" in scene.events(run)
    shown.get_by_role("button", name="Undo the last command").click()
    shown.get_by_role("dialog").get_by_role("button", name="Undo", exact=True).click()
    asks = shown.get_by_role("dialog")
    asks.get_by_label("PIN").fill(PIN)
    asks.get_by_role("button", name="Sign").click()
    expect(shown.locator("tbody tr").first).to_contain_text("passed")


@pytest.mark.requirement("S1-28")
def test_settings_try_a_check_and_test_a_provider(scene: Scene, visit: Visit) -> None:
    with ModelServer(models=["small"]) as models:
        table = f'[providers.local]\nkind = "openai-compatible"\nbase_url = "{models.origin}/v1"\n'
        config = scene.root / ".wfe" / "config.toml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(table, encoding="utf-8")
        scene.check("ok", "print('fine')")
        shown = visit("/settings")
        shown.get_by_role("button", name="Try ok").click()
        expect(shown.locator("#checks li")).to_contain_text("works")
        provider = shown.locator("#providers li").filter(has_text="local")
        expect(provider).to_contain_text(models.origin)
        provider.get_by_role("button", name="Test local").click()
        expect(provider.locator(".state")).to_contain_text("It lists 1 model")


def test_the_palette_finds_pages_and_what_waits(scene: Scene, visit: Visit) -> None:
    waiting(scene)
    shown = visit()
    expect(shown.locator(".inbox .title")).to_have_count(1)
    shown.keyboard.press("Control+k")
    shown.keyboard.type("go to queue")
    shown.keyboard.press("Enter")
    expect(shown.locator("h1")).to_have_text("Queue")
    shown.keyboard.press("g")
    shown.keyboard.press("b")
    expect(shown.locator("h1")).to_have_text("Board")


# -- decisions -------------------------------------------------------------------------------------------------------------


def test_the_inbox_is_worked_by_keyboard_alone(scene: Scene, visit: Visit, tab: Tab) -> None:
    run, _ = waiting(scene)
    shown = visit()
    expect(shown.locator(".inbox .title")).to_have_count(1)
    shown.keyboard.press("j")
    shown.keyboard.press("Enter")
    expect(shown.get_by_role("button", name="Approve")).to_be_visible()
    shown.keyboard.press("a")
    shown.keyboard.type(PIN)
    shown.keyboard.press("Shift+Tab")
    shown.keyboard.type("well done")
    shown.keyboard.press("Enter")
    expect(shown.get_by_role("status").filter(has_text="Approved by")).to_contain_text("well done")
    assert scene.attempt(run, "plan").status == "completed"
    assert tab.console == []


def test_a_key_counts_from_the_moment_at_which_its_page_is_shown(scene: Scene, visit: Visit) -> None:
    """Otherwise the letters of a comment that is typed at once would be keys: "e" edits the artifact."""
    _, request = waiting(scene)
    shown = visit()
    shown.evaluate("""() => new MutationObserver((_, each) => {
        if (!document.querySelector(".decide")) return;
        each.disconnect();
        window.dispatchEvent(new KeyboardEvent("keydown", {key: "a"}));
    }).observe(document, {childList: true, subtree: true})""")
    to(shown, f"/inbox/{request}")
    expect(shown.get_by_label("PIN")).to_be_focused()


def test_a_wrong_pin_decides_nothing_and_keeps_what_was_typed(scene: Scene, visit: Visit) -> None:
    run, request = waiting(scene)
    shown = visit(f"/inbox/{request}")
    shown.get_by_role("button", name="Approve").click()
    shown.get_by_label("Comment").fill("well done")
    shown.get_by_label("PIN").fill(WRONG)
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.get_by_role("alert")).to_contain_text("Nothing was decided")
    expect(shown.get_by_role("alert")).to_contain_text("Wrong PIN; 4 tries left. Try again.")
    expect(shown.get_by_label("Comment")).to_have_value("well done")
    assert scene.attempt(run, "plan").status == "awaiting"


def test_a_comment_on_a_line_becomes_the_feedback_of_a_rejection(scene: Scene, stage: Stage, visit: Visit) -> None:
    shown = visit(f"/inbox/{stage.request}")
    comment_on(shown.locator("[id='f-src/lists.py'] tr.add").first, "Say that None is skipped.")
    shown.reload()
    expect(shown.locator(".say.mine")).to_contain_text("Say that None is skipped.")
    shown.get_by_role("button", name="Send back").first.click()
    shown.get_by_label("What should be different?").fill("Nearly.")
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign and send back").click()
    expect(shown.get_by_role("status").filter(has_text="Rejected by")).to_be_visible()
    message = " ".join(each.message for each in scene.attempt(stage.waiting, "fix").feedback)
    assert "Nearly." in message
    assert "src/lists.py" in message
    assert "Say that None is skipped." in message


TEXTS = """() => [...document.querySelectorAll(".decision *")].filter(each => !each.children.length)
  .map(each => each.textContent.trim()).filter(each => each)"""
"""Every text of the decision that is shown, without its forms."""


WHOLE = """() => {
  for (const each of document.querySelectorAll(".decision [title]"))
    if (/[0-9a-f]{40}|^\\d{4}-/.test(each.title)) each.textContent = each.title;
  return document.querySelector(".decision").textContent.replace(/\\s+/g, " ");
}"""
"""The text of the decision, with what is shown short as its title says it whole: a hash, a time."""


def test_the_application_shows_all_that_the_plain_page_shows(stage: Stage, page: Page, visit: Visit, tab: Tab) -> None:
    shown = visit(f"/inbox/{stage.request}")
    expect(shown.locator(".viewed")).to_have_count(2)
    mounted = shown.evaluate(WHOLE)
    shown.goto(f"{page.url}decide/{stage.request}")
    plain = shown.evaluate(TEXTS)
    assert len(plain) > 100
    texts = [" ".join(each.split()).removeprefix("at ") for each in plain]
    assert [each for each in texts if each not in mounted] == []
    assert tab.console == []


def test_links_of_the_plain_page_lead_to_the_same_in_the_application(stage: Stage, visit: Visit) -> None:
    shown = visit(f"/inbox/{stage.request}")
    comment_on(shown.locator("[id='f-src/lists.py'] tr.add").first, "Say that None is skipped.")
    shown.get_by_role("link", name="Side by side").click()
    expect(shown.locator(".diff.beside")).to_have_count(2)
    expect(shown.locator(".say.mine")).to_contain_text("Say that None is skipped.")
    shown.get_by_role("navigation", name="On this page").get_by_role("link", name="Evidence").click()
    expect(shown.locator("#evidence")).to_be_in_viewport()
    assert shown.url.endswith(f"#/inbox/{stage.request}")
    shown.get_by_role("link", name=f"run {stage.waiting}").click()
    expect(shown.locator("h1")).to_contain_text("natural_list")
    shown.go_back()
    shown.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Inbox").click()
    expect(shown.locator(".inbox .title")).not_to_have_count(0)


def test_keys_go_through_the_files_comment_and_mark_them_as_viewed(stage: Stage, visit: Visit) -> None:
    shown = visit(f"/inbox/{stage.request}")
    expect(shown.locator(".viewed")).to_have_count(2)
    for key in ("n", "n", "v"):
        shown.keyboard.press(key)
    expect(shown.get_by_label("Viewed tests/test_lists.py")).to_be_checked()
    expect(shown.locator("[id='f-tests/test_lists.py']")).not_to_have_attribute("open", "")
    expect(shown.locator(".decide .facts")).to_contain_text("1 of 2 files viewed")
    shown.keyboard.press("p")
    shown.keyboard.press("c")
    expect(shown.locator("[id='f-src/lists.py']").get_by_role("textbox", name="Comment")).to_be_focused()


def test_markup_in_an_artifact_is_text(stage: Stage, visit: Visit, tab: Tab) -> None:
    shown = visit(f"/inbox/{stage.request}")
    expect(shown.locator("#artifact")).to_contain_text("<script>alert(1)</script>")
    assert shown.locator("#artifact script").count() == 0
    assert tab.console == []


def test_what_changed_meanwhile_is_not_approved(scene: Scene, visit: Visit) -> None:
    run, request = waiting(scene)
    shown = visit(f"/inbox/{request}")
    shown.get_by_role("button", name="Approve").click()
    shown.get_by_label("PIN").fill(PIN)
    scene.write("app.py", "VALUE = 2\n")
    shown.get_by_role("button", name="Sign approval").click()
    # The tab can hear that the gates run again before it has the answer.
    refusals = shown.locator("text=/Nothing was decided|The files have changed|is closed:|it is asked again/")
    expect(refusals.first).to_be_visible()
    assert scene.attempt(run, "plan").status != "completed"


# -- the server is lost ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_no_event_is_missed_while_the_server_was_killed(scene: Scene, tab: Tab) -> None:
    run = scene.start(phase("plan"), phase("build"), phase("ship"))
    port = free_port()
    with server(scene, port) as first:
        tab.page.goto(opened(first))
        is_live(tab.page)
        to(tab.page, f"/runs/{run}/events")
        os.kill(first.pid, signal.SIGKILL)
        expect(tab.page.locator(".live")).to_contain_text("lost")
    scene.do(run, "plan")
    scene.do(run, "build")
    with server(scene, port):
        expect(tab.page.locator(".live")).to_have_text("live")
        expect(tab.page.locator(".filters option").first).to_have_text(f"all {len(scene.events(run))}")


def opened(process: subprocess.Popen[str]) -> str:
    """The link that the command printed."""
    assert process.stdout is not None
    output = json.loads(process.stdout.readline())
    return str(output["data"].get("link") or output["data"]["url"])
