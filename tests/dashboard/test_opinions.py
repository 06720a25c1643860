"""A person who reviews in place of a model answers on the page; the answer is signed, and a forged one is found."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.dashboard.browser import PIN, WRONG, Answer, Browser
from tests.engine.scene import AGENT, HUMAN, Scene, phase
from tests.security.forger import Forger
from wfe_mcp.core.model import By, Channel
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals.statements import read_statement
from wfe_mcp.engine.evaluation.opinion_by_hand import open_question, take_opinion
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.templates import trust
from wfe_mcp.store.records.calls import MANUAL_MODEL, OpinionRecord
from wfe_mcp.workspace.system.location import user_config_file

ME = '[roles.me]\nprovider = "manual"\n'
TWO_VERDICTS = 'It quotes {"verdict": "fail"}.\n```json\n{"verdict": "pass", "findings": []}\n```'
VALUE: dict[str, Any] = {"verdict": "pass", "findings": [], "summary": "I have read it"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture
def run(scene: Scene, home: None) -> str:
    """A run whose plan waits for the opinion of a person."""
    file = user_config_file()
    file.parent.mkdir(parents=True)
    file.write_text(ME)
    trust.give_trust(scene.engine, scene.human, [])
    gate = {"kind": "opinion", "reviewers": ["one"]}
    made = scene.start(phase("plan", gate), roles={"one": {"provider": "me"}})
    scene.do(made, "plan")
    return made


def path_of(run: str) -> str:
    return f"/opinion/{run}/one?phase=plan"


def opened(browser: Browser, run: str) -> Answer:
    return browser.send(browser.get(path_of(run)), "/", pin=PIN)


def sent(browser: Browser, seen: Answer, run: str, **typed: str) -> Answer:
    return browser.send(seen, path_of(run), **{"verdict": "", "summary": "", "suggestion": "", "whole": ""} | typed)


def codes(scene: Scene) -> set[str]:
    return {one.code for one in verify(scene.engine).findings}


def test_the_list_leads_to_the_question_and_the_answer_is_judged_and_signed(
    scene: Scene, browser: Browser, run: str
) -> None:
    inbox = browser.send(browser.get("/"), "/", pin=PIN)
    assert f'href="{path_of(run)}"' in inbox.text
    seen = browser.get(path_of(run))
    assert "A good title" in seen.words, "the artifact is in the question"
    question = open_question(scene.engine, run, "plan")
    done = sent(browser, seen, run, verdict="pass", summary="I have read it", pin=PIN)
    assert (done.status, "What waits for your opinion" in done.words) == (200, False)
    scene.work()
    assert scene.state(run).status == "completed"
    with scene.store.read() as tx:
        loaded = scene.engine.load(tx, run)
        (kept,) = tx.opinions.of_run(loaded.record.id)
        statements = [
            read_statement(str(one.payload["statement"]))
            for one in tx.events.of_types(loaded.record.id, "DecisionSigned")
        ]
    assert (kept.reviewer, kept.model, kept.value["summary"]) == ("one", MANUAL_MODEL, "I have read it")
    answer = next(one for one in statements if one is not None and one.values["kind"] == "opinion")
    (decision,) = answer.values["decision"]
    assert (decision["phase"], decision["reviewer"], decision["verdict"]) == ("plan", "one", "pass")
    assert (answer.values["shown"], answer.values["artifact"]) == (question.sha256, kept.artifact_sha256)
    assert codes(scene) == set()


def test_the_answer_is_validated_as_at_the_terminal_and_what_was_typed_stays(
    scene: Scene, browser: Browser, run: str
) -> None:
    seen = opened(browser, run)
    for typed, status, words in (
        ({"verdict": "pass", "pin": WRONG}, 403, "Wrong PIN"),
        ({"pin": PIN}, 400, "Choose a verdict"),
        ({"verdict": "pass", "whole": "{}", "pin": PIN}, 400, "not both"),
        ({"whole": '{"verdict": "maybe", "findings": []}', "pin": PIN}, 409, "/verdict"),
        ({"whole": "I like it", "pin": PIN}, 409, "it holds no JSON object"),
        ({"whole": TWO_VERDICTS, "pin": PIN}, 409, "disagree"),
        ({"verdict": "pass", "pin": PIN, "token": "0" * 64}, 403, "was not shown this form"),
    ):
        no = sent(browser, seen, run, summary="keep me", **typed)
        assert (no.status, words in no.words) == (status, True), (typed, no.words)
        assert "keep me" in no.text or "token" in typed
    assert scene.attempt(run, "plan").status == "gating"
    whole = json.dumps({**VALUE, "verdict": "fail", "findings": [{"severity": "high", "title": "It is wrong"}]})
    sent(browser, seen, run, whole=f"So I say:\n```json\n{whole}\n```", pin=PIN)
    with scene.store.read() as tx:
        (kept,) = tx.opinions.of_run(scene.engine.load(tx, run).record.id)
    assert (kept.verdict, kept.value["findings"][0]["title"]) == ("fail", "It is wrong")


def test_an_answer_is_for_the_question_that_was_shown(scene: Scene, browser: Browser, run: str) -> None:
    seen = opened(browser, run)
    asked = open_question(scene.engine, run, "plan").asked
    file = scene.root / asked.question
    file.write_text("Say pass.", encoding="utf-8")
    no = sent(browser, seen, run, verdict="pass", pin=PIN)
    assert (no.status, "has changed since you opened this page" in no.words) == (409, True)
    assert f"{asked.question} has changed since it was written" in no.words


def test_an_answer_that_is_in_the_file_is_offered(scene: Scene, browser: Browser, run: str) -> None:
    asked = open_question(scene.engine, run, "plan").asked
    (scene.root / asked.answer).write_text(json.dumps(VALUE), encoding="utf-8")
    seen = opened(browser, run)
    assert "I have read it" in seen.text
    sent(browser, seen, run, whole=json.dumps(VALUE), pin=PIN)
    gone = browser.get(path_of(run))
    assert (gone.status, "waits for no opinion of a person" in gone.words) == (409, True)
    late = sent(browser, seen, run, whole=json.dumps(VALUE), pin=PIN)
    assert late.status == 409


def test_the_question_is_shown_only_after_the_pin(browser: Browser, run: str) -> None:
    seen = browser.get(path_of(run))
    assert ("Enter your PIN" in seen.words, "A good title" in seen.text) == (True, False)
    assert browser.get(f"/opinion/{quote('no-run')}/one?phase=plan").status == 400


def test_a_page_that_a_server_started_shows_no_question(scene: Scene, run: str) -> None:
    with serve_page(scene.engine, 0, on_demand=True) as page:
        assert isinstance(page, Page)
        no = Browser(page.port).get(path_of(run))
        assert (no.status, "takes no PIN" in no.words) == (403, True)


@pytest.mark.attack("an opinion of a person is written through our own code, without the key", "detected", "T1; T11")
@pytest.mark.parametrize("by", [HUMAN, SYSTEM, By("mallory", Channel.CLI)], ids=["a person", "the engine", "an agent"])
def test_an_opinion_in_a_persons_place_that_no_key_signed_is_found(scene: Scene, run: str, by: By) -> None:
    asked = open_question(scene.engine, run, "plan").asked
    with change_run(scene.engine, run, by) as current:
        attempt = current.attempt(scene.attempt(run, "plan").phase)
        current.tx.opinions.add(
            OpinionRecord(
                "op-forged",
                current.run.project_id,
                current.run.id,
                attempt.phase,
                attempt.number,
                "gate",
                asked.reviewer,
                asked.provider,
                MANUAL_MODEL,
                asked.question_sha256,
                attempt.sha256 or "",
                "pass",
                current.at,
                VALUE,
            )
        )
        current.tx.seals.keep_opinions(current.run.id, ["op-forged"])
    assert "decision_unsigned" in codes(scene)


@pytest.mark.attack("an opinion of a person is changed, added or moved by SQL", "detected", "T1; T11")
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE opinion SET verdict = 'pass', value = replace(value, 'fail', 'pass')",
        "UPDATE opinion SET model = 'gpt'",
        "UPDATE opinion SET reviewer = 'another'",
    ],
)
def test_an_opinion_that_was_forged_by_sql_is_found(scene: Scene, run: str, sql: str) -> None:
    text = json.dumps({**VALUE, "verdict": "fail"})
    take_opinion(scene.engine, scene.human, run, "plan", text=text)
    scene.work()
    assert codes(scene) == set()
    Forger(f"sqlite:///{scene.root.parent / 'wfe.db'}").do(sql)
    assert codes(scene), sql


def test_an_agent_gives_no_opinion_of_a_person(scene: Scene, run: str) -> None:
    from tests.engine.scene import refused

    assert refused(take_opinion, scene.engine, AGENT, run, "plan", text=json.dumps(VALUE)).code == "needs_human"
