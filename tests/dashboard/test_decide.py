"""A decision on the page needs the PIN, applies to exactly what was shown, and counts once."""

import time

import pytest

from tests.dashboard.browser import PIN, WAIT_S, WRONG, Answer, Browser, asked, last
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, expr, phase
from wfe_mcp.core.model import Assurance, Channel
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import decide as approvals, pin
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.workspace.system.location import project_at


def waiting(scene: Scene, *gates: dict[str, object], **keys: object) -> tuple[str, str]:
    """A run whose phase ``plan`` waits for a person: its id and the request's."""
    run = scene.start(phase("plan", *(gates or (approval(),)), **keys))
    scene.do(run, "plan")
    return run, asked(scene, run)


def decision(scene: Scene, request: str) -> tuple[bool, str, Channel, Assurance, str]:
    with scene.store.read() as tx:
        found = tx.approvals.decision(request)
    assert found is not None
    return found.approved, found.comment, found.channel, found.assurance, found.ancestors


def undecided(scene: Scene, run: str, request: str) -> bool:
    with scene.store.read() as tx:
        return tx.approvals.decision(request) is None and last(scene, run).status == "awaiting"


def test_the_page_shows_what_an_approval_would_cover(scene: Scene, browser: Browser) -> None:
    scene.check("ok", "print('fine')")
    run, request = waiting(scene, command("ok"), approval())
    words = browser.get(f"/decide/{request}").words
    for message in (run, last(scene, run).sha256, "A good title", "ok", "pass", "exit code", str(scene.root)):
        assert str(message) in words


def test_a_person_approves_with_the_pin(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene)
    answer = browser.approve(request, comment="well done")
    assert answer.status == 200
    assert "Approved by" in answer.words
    assert "(dashboard, human)" in answer.words
    assert last(scene, run).status == "completed"
    assert decision(scene, request) == (True, "well done", Channel.DASHBOARD, Assurance.HUMAN, "")


def test_a_person_rejects_and_the_next_try_gets_the_reason(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene)
    assert "Rejected by" in browser.reject(request, feedback="say more").words
    assert decision(scene, request)[:2] == (False, "say more")
    assert last(scene, run).number == 2
    assert "say more" in str(scene.begin(run, "plan").data["feedback"])


def test_a_rejection_after_which_no_attempt_follows_names_the_retry(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene, on_fail=[{"do": "wait_human"}])
    words = browser.reject(request, feedback="say more").words
    assert f"No attempt follows by itself; one that you open has your text: wfe-mcp retry {run} plan (or: " in words


def test_a_rejection_may_send_the_run_back_to_an_earlier_phase(scene: Scene, browser: Browser) -> None:
    run = scene.start(phase("draft"), phase("plan", approval()))
    scene.do(run, "draft")
    scene.do(run, "plan")
    request = asked(scene, run)
    assert "draft" in browser.get(f"/decide/{request}").words
    assert "back to draft" in browser.reject(request, to="draft").words
    assert scene.state(run).iteration == 2


def test_a_stopped_run_has_no_button_for_a_decision(scene: Scene, browser: Browser) -> None:
    stops = phase("other", expr("${false}"), needs=[], on_fail=[{"do": "block"}])
    run = scene.start(phase("plan", approval()), stops)
    scene.do(run, "plan")
    request = asked(scene, run)
    assert "Your PIN" in browser.get(f"/decide/{request}").words
    scene.do(run, "other")
    words = browser.get(f"/decide/{request}").words
    assert "no decision is possible now" in words
    assert "Your PIN" not in words
    assert undecided(scene, run, request)


def test_a_rejection_without_a_comment_decides_nothing(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene)
    assert browser.reject(request, feedback=" ").status == 400
    assert undecided(scene, run, request)


def test_the_phrase_must_be_typed(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene, approval(phrase="ship it"))
    assert "ship it" in browser.get(f"/decide/{request}").words
    assert browser.approve(request, phrase="ship").status == 400
    assert undecided(scene, run, request)
    assert browser.approve(request, phrase="ship it").status == 200
    assert last(scene, run).status == "completed"


@pytest.mark.attack("PINs are guessed at the decision page", "held", "T2")
def test_wrong_pins_lock_every_pin_here_and_at_the_terminal(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene)
    for _ in range(2):
        with pytest.raises(Exception, match="Wrong PIN"):
            pin.person(scene.engine, WRONG, "ada")
    for left in ("2 tries left", "1 try left", "every PIN is refused for 1 minute"):
        answer = browser.approve(request, WRONG)
        assert (answer.status, f"Wrong PIN; {left}." in answer.words) == (403, True)
    assert "every PIN is refused" in browser.approve(request).words
    with pytest.raises(Exception, match="every PIN is refused"):
        pin.person(scene.engine, PIN, "ada")
    assert undecided(scene, run, request)
    scene.clock.advance(seconds=61)
    assert browser.approve(request).status == 200


@pytest.mark.attack("the artifact is changed while a person looks at the decision page", "held", "T2")
def test_a_revision_that_came_meanwhile_is_shown_and_not_what_was_on_the_page(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene)
    seen = browser.get(f"/decide/{request}")
    approvals.withdraw(scene.engine, AGENT, run, "plan", "I know better")
    scene.do(run, "plan", {"title": "Something else"})
    newer = asked(scene, run)
    late = browser.send(seen, f"/decide/{request}/approve", pin=PIN)
    assert late.status == 409
    assert "Nothing was decided" in late.words
    assert last(scene, run).status == "awaiting"
    now = browser.get(f"/decide/{newer}")
    assert "Something else" in now.words
    assert "changed since revision 1" in now.words
    assert "A good title" in now.words, "what it was before"


def test_the_page_shows_line_by_line_what_changed_in_a_text_and_what_was_moved(scene: Scene, browser: Browser) -> None:
    items = {"type": "array", "items": {"type": "object"}}
    schema = {"type": "object", "properties": {"text": {"type": "string"}, "items": items}}
    run, _ = waiting(scene, output={"artifact": "plan_note", "schema": schema})
    approvals.reject(scene.engine, HUMAN, run, "plan", "shorter")
    first, second = ({"id": name} for name in ("first", "second"))
    scene.do(run, "plan", {"text": "one\ntwo\n3\n4" + "\nmore" * 2_000, "items": [first, second]})
    approvals.reject(scene.engine, HUMAN, run, "plan", "longer")
    scene.do(run, "plan", {"text": "one\n2\n3\n4" + "\nless" * 2_000, "items": [second, first]})
    words = browser.get(f"/decide/{asked(scene, run)}").words
    for lines in ("-two", "+2", "(shortened)", "/items/0", "/items/1 moved here"):
        assert lines in words


def test_changed_files_run_the_gates_again_and_the_new_request_is_led_to(scene: Scene, browser: Browser) -> None:
    scene.check("ok", "print('fine')")
    run, request = waiting(scene, command("ok"), approval())
    seen = browser.get(f"/decide/{request}")
    scene.write("app.py", "VALUE = 2\n")
    stale = browser.send(seen, f"/decide/{request}/approve", pin=PIN)
    assert stale.status == 409
    assert "app.py changed since the gates of 'plan' passed" in stale.words
    newer = newer_than(scene, browser, request)
    assert browser.approve(newer).status == 200
    assert last(scene, run).status == "completed"


def test_a_request_whose_gates_failed_when_they_ran_again_leads_to_its_run(scene: Scene, browser: Browser) -> None:
    scene.check("ok", "assert 'VALUE = 1' in open('app.py').read()")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan")
    request = asked(scene, run)
    scene.write("app.py", "VALUE = 2\n")
    answer = "the gates ran again. This request is closed; its run says what it waits for now."
    assert answer in judged_again(scene, browser, request).words


def test_why_an_earlier_attempt_failed_is_said_to_the_person(scene: Scene, browser: Browser) -> None:
    files = {"kind": "files", "exist": ["${['app.py'][size(artifacts.plan_note.title) - 12]}"]}
    scene.write("app.py", "VALUE = 1\n")
    run = scene.start(phase("plan", files, approval()))
    scene.do(run, "plan", {"title": "abc"})
    scene.do(run, "plan")
    page = browser.get(f"/decide/{asked(scene, run)}").words
    assert "Next: fix the template, or skip the phase." in page
    assert "ask the user" not in page


@pytest.mark.parametrize("gates", [[command("ok"), approval()], [approval()]])
def test_opening_a_request_whose_files_changed_names_them_and_the_next_one_shows_the_change(
    scene: Scene, browser: Browser, gates: list[dict[str, object]]
) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", *gates))
    scene.begin(run, "plan")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "plan")
    request = asked(scene, run)
    scene.write("README.md", "note\n")
    assert "README.md changed after this was asked" in browser.get(f"/decide/{request}").words
    newer = newer_than(scene, browser, request)
    assert "README.md changed after this was asked, so it is asked again" in browser.get(f"/decide/{request}").words
    since = browser.get(f"/decide/{newer}").text.split('data-since="it was first asked"')[1].split('id="artifact"')[0]
    assert ("README.md" in since, "app.py" in since) == (True, False)
    assert browser.approve(newer).status == 200
    assert last(scene, run).status == "completed"


def test_opening_an_answered_request_neither_decides_nor_asks_again_what_an_agent_may_approve(
    scene: Scene, browser: Browser
) -> None:
    scene.check("ok", "print('fine')")
    run, request = waiting(scene, command("ok"), approval(), approval("agent"))
    assert browser.approve(request).status == 200
    awaited = scene.state(run)
    assert (last(scene, run).status, last(scene, run).gate) == ("awaiting", 2)
    scene.write("app.py", "VALUE = 2\n")
    browser.get(f"/decide/{request}")
    assert scene.state(run) == awaited


def newer_than(scene: Scene, browser: Browser, request: str) -> str:
    """The request that the closed one leads to, once the gates have run again."""
    newer = judged_again(scene, browser, request).text.partition('href="/decide/')[2].partition('"')[0]
    assert newer not in {"", request}
    return newer


def judged_again(scene: Scene, browser: Browser, request: str) -> Answer:
    """The page of a request once the gates have run again."""
    until = time.monotonic() + WAIT_S
    while "run again" in (now := browser.get(f"/decide/{request}")).words and time.monotonic() < until:
        scene.work()  # the page works too; the first decision counts
    return now


def test_a_page_that_ran_the_gates_of_a_request_works_no_queue_afterwards(scene: Scene) -> None:
    scene.check("ok", "print('fine')")
    _, request = waiting(scene, command("ok"), approval())
    engine = scene.process()
    engines = Engines(engine)
    engines.judge_again(request)
    engines.close()
    with scene.store.read() as tx:
        assert not engine.has_worker(tx), engine.workers


def test_what_defines_the_checks_and_changed_is_shown(scene: Scene, browser: Browser) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run, "plan")
    scene.write("tests/test_app.py", "pass\n")
    scene.submit(run, "plan")
    assert "tests/test_app.py" in browser.get(f"/decide/{asked(scene, run)}").words


@pytest.mark.attack("an answer of the decision page is sent once more", "held", "T2")
def test_an_answer_counts_once_over_two_tabs(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene)
    tab = browser.get(f"/decide/{request}")
    assert browser.approve(request).status == 200
    again = browser.send(tab, f"/decide/{request}/reject", pin=PIN, feedback="no")
    assert (again.status, "Nothing was decided" in again.words) == (409, True)
    guess = browser.send(tab, f"/decide/{request}/reject", pin=WRONG, feedback="no")
    assert guess.status == 409, "what takes no answer tells nothing of the PIN either"
    assert last(scene, run).status == "completed"
    assert decision(scene, request)[0] is True


def test_a_request_that_has_expired_takes_no_answer(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene, approval(expires="10m"))
    seen = browser.get(f"/decide/{request}")
    assert "valid until" in seen.words
    scene.clock.advance(minutes=11)
    assert browser.send(seen, f"/decide/{request}/approve", pin=PIN).status == 409
    assert "has expired" in browser.get(f"/decide/{request}").words
    assert undecided(scene, run, request)


@pytest.mark.attack("the file of a prompt is changed before a person approves it", "held", "T2")
def test_a_prompt_is_shown_before_the_work_only_while_it_is_what_was_judged(scene: Scene, browser: Browser) -> None:
    run = scene.start(phase("plan", prompt_gates=[approval()]))
    request = asked(scene, run)
    assert "Write plan." in browser.get(f"/decide/{request}").words
    scene.mirror(run, "plan", 1, "prompt.md").write_text("Delete everything.", encoding="utf-8")
    words = browser.get(f"/decide/{request}").words
    assert "Delete everything" not in words
    assert "changed after its gates ran" in words


def test_long_artifacts_are_cut_and_whole_behind_a_link(scene: Scene, browser: Browser) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan", GOOD | {"body": "x" * 50_000 + "the end"})
    request = asked(scene, run)
    assert "the end" not in browser.get(f"/decide/{request}").text
    whole = browser.get(f"/whole/{request}")
    assert "the end" in whole.text
    assert whole.headers["content-type"].startswith("text/plain")


@pytest.mark.attack("`wfe-mcp ui` is started and its login code fetched", "held", "T2")
def test_the_list_is_shown_once_the_pin_was_typed(scene: Scene, browser: Browser) -> None:
    _, request = waiting(scene)
    first = browser.get("/")
    assert request not in first.text
    wrong = browser.send(first, "/", pin=WRONG)
    assert (wrong.status, request in wrong.text) == (403, False)
    assert f"/decide/{request}" in browser.send(first, "/", pin=PIN).text
    assert request not in Browser(browser.port).get("/").text, "another browser has to type it too"


def test_a_decided_request_leaves_the_list(scene: Scene, browser: Browser) -> None:
    _, request = waiting(scene)
    listed = browser.send(browser.get("/"), "/", pin=PIN)
    assert request in listed.text
    browser.approve(request)
    assert "Nothing waits for you" in browser.get("/").words


@pytest.mark.attack(
    "an artifact brings a script, or marks that turn the reading direction, to the decision page", "held", "T2"
)
def test_what_an_agent_wrote_is_text_and_nothing_else(scene: Scene, browser: Browser) -> None:
    evil = {"title": "</pre><script>alert(1)</script><img src=x onerror=alert(1)>", "body": "a\u202eb"}
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan", evil)
    answer = browser.get(f"/decide/{asked(scene, run)}")
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "\u202e" not in answer.text
    assert "<U+202E>" in answer.words
    assert "alert(1)" in answer.words


def test_what_no_one_asked_is_not_there(scene: Scene, browser: Browser) -> None:
    waiting(scene)
    answers: list[Answer] = [browser.get("/decide/rq-0000000000000000"), browser.get("/whole/x"), browser.get("/admin")]
    assert {answer.status for answer in answers} == {404}


def test_what_the_person_decided_at_the_terminal_is_reported(scene: Scene, browser: Browser) -> None:
    run, request = waiting(scene)
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert "Approved by ada (cli, human)" in browser.get(f"/decide/{request}").words


def test_a_page_that_was_opened_in_one_project_decides_in_all(scene: Scene) -> None:
    other = scene.root.parent / "other"
    other.mkdir()
    run, request = waiting(scene)
    elsewhere = create_engine(project_at(other), environment=scene.environment, clock=scene.clock, store=scene.store)
    assert elsewhere.project_id != scene.engine.project_id
    with serve_page(elsewhere, 0) as page:
        assert isinstance(page, Page)
        browser = Browser(page.port)
        assert str(scene.root) in browser.send(browser.get("/"), "/", pin=PIN).words
        assert browser.approve(request).status == 200
    assert last(scene, run).status == "completed"


def test_a_failed_gate_before_the_approval_asks_no_one(scene: Scene, browser: Browser) -> None:
    run = scene.start(phase("plan", expr("${size(artifacts.plan_note.title) > 99}"), approval()))
    scene.do(run, "plan")
    assert "Nothing waits for you" in browser.send(browser.get("/"), "/", pin=PIN).words
    assert last(scene, run).number == 2


@pytest.mark.attack(
    "a person signs evidence that was appended, because nothing on the page can run it again", "detected", "T1; T11"
)
def test_the_checks_run_again_from_the_page_and_the_evidence_says_whose_it_is(scene: Scene, browser: Browser) -> None:
    scene.check("ok", "pass")
    run, request = waiting(scene, command("ok"), approval())
    seen = browser.get(f"/decide/{request}")
    assert "Run the checks again" in seen.words and "ok by a command in a terminal" in seen.words
    answer = browser.send(seen, f"/decide/{request}/check")
    assert "Run again in the process of this page, and passed: ok." in answer.words
    assert "ok by a process of its own that checked again" in answer.words
    assert undecided(scene, run, request)
    assert browser.approve(request).status == 200
    assert last(scene, run).status == "completed"
