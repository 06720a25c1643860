"""A person edits on the page what is asked about: the prompt before work, or an artifact declared editable."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.dashboard.browser import PIN, WRONG, Browser, asked, last
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.records.calls import OpinionRecord

DOCUMENT = {"artifact": "plan_doc", "schema": "markdown_doc@1", "editable": True}


def before_work(scene: Scene) -> tuple[str, str]:
    """A run whose phase ``plan`` waits with its prompt: its id and the request's."""
    run = scene.start(phase("plan", prompt_gates=[approval()]))
    return run, asked(scene, run)


def after_work(scene: Scene, **keys: object) -> tuple[str, str]:
    """A run whose phase ``plan`` waits with its artifact."""
    run = scene.start(phase("plan", approval(), **keys))
    scene.do(run, "plan", {"front": {}, "body": "# One\n"} if keys else None)
    return run, asked(scene, run)


def suggest(scene: Scene, run: str, text: str) -> None:
    """A reviewer has said of what is open that it should be ``text``."""
    open_sha256 = last(scene, run).sha256 or ""
    value: dict[str, Any] = {"verdict": "concerns", "findings": [], "summary": "Better so.", "suggestion": text}
    with scene.store.tx() as tx:
        tx.opinions.add(
            OpinionRecord(
                "o-1",
                scene.engine.project_id,
                RunId(run),
                PhasePath("plan"),
                1,
                "call",
                "the critic",
                "openai",
                "gpt",
                "0" * 64,
                open_sha256,
                "concerns",
                datetime.now(UTC),
                value,
            )
        )


@pytest.mark.requirement("S0-03", "S0-17")
def test_the_prompt_is_edited_and_the_agent_gets_it(scene: Scene, browser: Browser) -> None:
    run, request = before_work(scene)
    path = f"/edit/{request}"
    assert path in browser.get(f"/decide/{request}").text
    form = browser.get(path)
    assert "Write plan." in form.words
    decided = browser.send(form, path, text="Write the plan\r\nfor children.", pin=PIN)
    assert "request is closed" in decided.words
    again = asked(scene, run)
    page = browser.get(f"/decide/{again}")
    assert "You edited it" in page.words
    assert "+for children." in page.words
    assert "Approved by" in browser.approve(again).words
    assert scene.begin(run, "plan").data["prompt"] == "Write the plan\nfor children."
    assert "PromptEdited" in scene.events(run)


def test_a_fault_in_a_prompt_is_shown_and_nothing_typed_is_lost(scene: Scene, browser: Browser) -> None:
    run, request = before_work(scene)
    path = f"/edit/{request}"
    for typed, pin, lines in (
        ("About ${inputs.topic} & <b>", PIN, "not filled in any more"),
        ("Write it well & <b>", WRONG, "PIN"),
    ):
        refused = browser.send(browser.get(path), path, text=typed, pin=pin)
        assert (refused.status, lines in refused.words, typed in refused.words) == (409, True, True)
        assert pin not in refused.text
    assert "PromptEdited" not in scene.events(run)


def test_an_artifact_declared_editable_is_edited_as_json(scene: Scene, browser: Browser) -> None:
    run, request = after_work(scene)
    path = f"/edit/{request}"
    form = browser.get(path)
    assert '"title": "A good title"' in form.words
    bad = browser.send(form, path, text='{"title": 3}', pin=PIN, note="mine")
    assert (bad.status, "/title" in bad.words, '{"title": 3}' in bad.words, "mine" in bad.text) == (
        409,
        True,
        True,
        True,
    )
    broken = browser.send(form, path, text="{", pin=PIN)
    assert broken.status == 409
    browser.send(form, path, text=json.dumps({"title": "Mine"}), pin=PIN, note="shorter")
    with scene.store.read() as tx:
        kept = tx.artifacts.revision(RunId(run), PhasePath("plan"), 2)
    assert kept is not None
    assert (json.loads(kept.content), kept.note) == ({"title": "Mine"}, "shorter")


def test_a_document_is_edited_as_markdown(scene: Scene, browser: Browser) -> None:
    run, request = after_work(scene, output=DOCUMENT)
    path = f"/edit/{request}"
    browser.send(browser.get(path), path, text="---\ntitle: Two\n---\n\n# Two\n", pin=PIN)
    with scene.store.read() as tx:
        kept = tx.artifacts.revision(RunId(run), PhasePath("plan"), 2)
    assert kept is not None
    assert json.loads(kept.content) == {"body": "# Two\n", "front": {"title": "Two"}}


def test_an_artifact_that_is_not_declared_editable_has_no_form(scene: Scene, browser: Browser) -> None:
    output = {"artifact": "plan_doc", "schema": "markdown_doc@1"}
    _, request = after_work(scene, output=output)
    assert f"/edit/{request}" not in browser.get(f"/decide/{request}").text
    refused = browser.get(f"/edit/{request}")
    assert (refused.status, "wfe-mcp edit" in refused.words) == (409, True)
    assert browser.get("/edit/rq-nothing").status == 409


def test_an_edit_of_what_has_changed_meanwhile_is_refused(scene: Scene, browser: Browser) -> None:
    _, request = after_work(scene)
    path = f"/edit/{request}"
    form = browser.get(path)
    form.text = form.text.replace(form.forms[path]["sha256"], "0" * 64)
    refused = browser.send(form, path, text='{"title": "Mine"}', pin=PIN)
    assert (refused.status, "has changed meanwhile" in refused.words) == (409, True)


def test_a_form_that_this_browser_was_not_shown_stores_nothing(scene: Scene, browser: Browser) -> None:
    run, request = after_work(scene)
    path = f"/edit/{request}"
    form = browser.get(path)
    refused = browser.send(form, path, text='{"title": "Mine"}', pin=PIN, token="0" * 64)
    assert (refused.status, "was not shown this form" in refused.words) == (403, True)
    assert last(scene, run).revision == 1


def test_a_suggestion_is_taken_over_from_the_page(scene: Scene, browser: Browser) -> None:
    run, request = before_work(scene)
    suggest(scene, run, "Write the plan for children.")
    page, path = browser.get(f"/decide/{request}"), f"/edit/{request}"
    assert f"{path}?take=the%20critic" in page.text
    form = browser.get(f"{path}?take=the%20critic")
    assert "Write the plan for children." in form.words
    browser.send(form, path, text="Write the plan for children.", pin=PIN)
    browser.approve(asked(scene, run))
    assert scene.begin(run, "plan").data["prompt"] == "Write the plan for children."


def test_a_text_larger_than_any_decision_is_taken(scene: Scene, browser: Browser) -> None:
    _, request = before_work(scene)
    path, long = f"/edit/{request}", "Write it.\n" * 20_000
    assert "request is closed" in browser.send(browser.get(path), path, text=long, pin=PIN).words
