"""Comments on lines on the decision page, without a script: + beside a line, a field below it, one form that sends back."""

import json
import re

import pytest
from playwright.sync_api import Browser as Chromium

from tests.dashboard.browser import PIN, Answer, Browser, asked
from tests.dashboard.soft_key import Signer, SoftKey
from tests.dashboard.test_diff_page import request_about_files
from tests.engine.scene import Scene, approval, command, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.views.approvals.approvers import approvers_path

NEW, OLD = "new:2:kept.py", "old:2:kept.py"


@pytest.fixture
def request_id(scene: Scene) -> str:
    return request_about_files(scene)


def send(browser: Browser, request: str, **typed: str) -> Answer:
    """The form that sends back, with what its fields on the page hold."""
    path = f"/decide/{request}"
    return browser.send(browser.get(path), f"{path}/reject", **{"pin": PIN, **typed})


def reported(scene: Scene, request: str) -> str | None:
    """The text of the decision; None before it."""
    with scene.store.read() as tx:
        found = tx.approvals.decision(request)
    return None if found is None else found.comment


def field(answer: Answer, name: str) -> str:
    """The tag of a field of a line."""
    return next((part for part in answer.text.split("<textarea")[1:] if f'name="{name}"' in part), "")


def test_each_line_of_the_change_has_a_button_for_a_comment(request_id: str, browser: Browser) -> None:
    page = browser.get(f"/decide/{request_id}")
    assert f'name="add" value="{NEW}" class="talk" aria-label="Comment on line 2"' in page.text
    assert f'name="add" value="{OLD}" class="talk" aria-label="Comment on removed line 2"' in page.text
    split = browser.get(f"/decide/{request_id}?split=1")
    assert split.text.count('name="add"') == page.text.count('name="add"')


def test_the_button_opens_a_field_keeps_what_was_typed_and_decides_nothing(
    scene: Scene, request_id: str, browser: Browser
) -> None:
    first = send(browser, request_id, add=NEW, feedback="Nearly.", pin="")
    assert (first.status, reported(scene, request_id)) == (200, None)
    assert "autofocus" in field(first, NEW)

    second = send(browser, request_id, add=OLD, feedback="Nearly.", pin=PIN, **{NEW: "Say <why>."})
    assert (second.status, reported(scene, request_id)) == (200, None)
    assert "Say &lt;why&gt;." in field(second, NEW)
    assert "autofocus" not in field(second, NEW)
    assert "autofocus" in field(second, OLD)
    assert "Nearly.</textarea>" in second.text
    assert PIN not in second.text
    assert 'class="file" id="f-kept.py" open' in second.text


def test_comments_are_sent_back_signed_and_given_to_the_agent(scene: Scene, request_id: str, browser: Browser) -> None:
    done = send(
        browser,
        request_id,
        feedback="Nearly.",
        **{NEW: "Say why.\r\nIn one line.", OLD: "Keep it.", "new:1:fresh.js": " "},
    )
    assert "Rejected by" in done.words
    answer = "Nearly.\n\nComments on lines:\n- kept.py:2 (new): Say why.\n  In one line.\n- kept.py:2 (old): Keep it."
    assert reported(scene, request_id) == answer
    run = _run(scene, request_id)
    with scene.store.read() as tx:
        signed = [one.payload for one in tx.events.of_run(run) if one.type == "DecisionSigned"][-1]
    assert json.loads(signed["statement"])["comment"] == answer
    (note,) = scene.begin(run, "plan").data["feedback"]
    assert [(each["file"], each["line"], each["side"]) for each in note["comments"]] == [
        ("kept.py", 2, "new"),
        ("kept.py", 2, "old"),
    ]


def test_comments_alone_send_back(scene: Scene, request_id: str, browser: Browser) -> None:
    assert "Nothing was decided. Say what should change." in send(browser, request_id, **{NEW: "  "}).words
    asked = send(browser, request_id, add=NEW)
    assert '<textarea id="feedback" name="feedback" rows="3">' in asked.text
    assert "Rejected by" in send(browser, request_id, **{NEW: "Say why."}).words
    assert reported(scene, request_id) == "Comments on lines:\n- kept.py:2 (new): Say why."


def test_a_comment_on_a_line_that_is_not_shown_decides_nothing_and_is_kept(
    scene: Scene, request_id: str, browser: Browser
) -> None:
    found = send(browser, request_id, **{"new:99:kept.py": "Say why."})
    assert "Nothing was decided. The change does not show line 99 (new) of kept.py." in found.words
    assert "Say why." in field(found, "new:99:kept.py")
    assert reported(scene, request_id) is None


def test_a_file_name_of_any_kind_takes_a_comment(scene: Scene, browser: Browser) -> None:
    scene.git("init", "-q")
    scene.check("ok", "print('fine')")
    scene.write("a \u202e=ü%.txt", "one\n")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run, "plan")
    scene.write("a \u202e=ü%.txt", "two\n")
    scene.submit(run, "plan")
    scene.work()
    request = asked(scene, run)
    page = browser.get(f"/decide/{request}")
    (name,) = re.findall(r'value="(new:1:[^"]+)"', page.text)
    assert "Rejected by" in send(browser, request, **{name: "Another name."}).words
    assert reported(scene, request) == "Comments on lines:\n- a \u202e=ü%.txt:1 (new): Another name."


def test_the_side_by_side_view_stays_while_comments_are_added(request_id: str, browser: Browser) -> None:
    split = browser.get(f"/decide/{request_id}?split=1")
    path = f"/decide/{request_id}/reject"
    assert split.forms[path]["split"] == "1"
    found = browser.send(split, path, add=OLD)
    assert 'class="diff beside"' in found.text
    assert '<td colspan="4"><div class="field say">' in found.text


def test_a_passkey_signs_the_comments_too(scene: Scene, request_id: str, browser: Browser) -> None:
    key = SoftKey("laptop")
    person = Signer(browser, "/" + approvers_path(scene.engine))
    assert person.pin(key).status == 200
    done = person.decide(key, request_id, "reject", **{NEW: "Say why."})
    assert "Rejected by laptop" in done.words
    assert reported(scene, request_id) == "Comments on lines:\n- kept.py:2 (new): Say why."


def test_a_page_that_takes_no_answer_has_no_buttons_for_comments(scene: Scene, request_id: str) -> None:
    with serve_page(scene.engine, 0, on_demand=True) as page:
        assert isinstance(page, Page)
        assert 'class="talk"' not in Browser(page.port).get(f"/decide/{request_id}").text


def test_without_a_script_lines_are_commented_and_enter_sends_back(
    scene: Scene, request_id: str, page: Page, chromium: Chromium
) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(f"http://localhost:{page.port}/decide/{request_id}")
    for name in (NEW, OLD):
        tab.locator(f'button[value="{name}"]').press("Enter")
        tab.locator(f'textarea[name="{name}"]').fill(f"About {name}.")
    tab.check("#c-back")
    tab.fill("#pin-reject", PIN)
    tab.press("#pin-reject", "Enter")
    tab.wait_for_selector("text=Rejected by")
    context.close()
    assert reported(scene, request_id) == (
        "Comments on lines:\n- kept.py:2 (old): About old:2:kept.py.\n- kept.py:2 (new): About new:2:kept.py."
    )


def _run(scene: Scene, request: str) -> RunId:
    with scene.store.read() as tx:
        found = tx.approvals.get(request)
    assert found is not None
    return found.run_id


def test_an_approval_says_where_what_was_typed_on_lines_does_not_go(request_id: str, browser: Browser) -> None:
    says = "goes with Send back only"
    assert says not in browser.get(f"/decide/{request_id}").text
    one = send(browser, request_id, add=NEW, pin="")
    approves = one.text.partition('class="pane yes"')[2].partition("</form>")[0]
    assert f"What you typed on 1 line {says}. To keep it with an approval, type it into the comment." in approves
