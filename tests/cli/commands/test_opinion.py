"""Opinions of other models at a terminal: request, read and overrule them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cli.scene import HUMAN, PIN, Terminal, phase, template
from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.workspace.system.location import user_config_file

KEY = "sk-canary-0123456789abcdef"
FINDING = {
    "severity": "high",
    "title": "It divides by zero",
    "file": "stats.py",
    "line": 12,
    "recommendation": "Refuse []",
}
GATE = {"kind": "opinion", "reviewers": ["one"]}
STOP = [{"do": "wait_human"}]


def opinion(verdict: str = "pass", **more: Any) -> Turn:
    return Turn(value={"verdict": verdict, "findings": [], "summary": f"I say {verdict}", **more})


Models = Callable[..., ModelServer]


@pytest.fixture
def models(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    """Starts a server of models that say these turns; roles ``first`` and ``second`` are filled by it."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    started: list[ModelServer] = []

    def start(first: Turn | None = None, second: Turn | None = None) -> ModelServer:
        answer = {"claude": [first or opinion()] * 9, "gpt": [second or opinion()] * 9}
        server = ModelServer(answer, key=KEY).__enter__()
        started.append(server)
        fill_roles(server)
        return server

    yield start
    for each in started:
        each.__exit__(None, None, None)


def fill_roles(server: ModelServer) -> None:
    """The user's configuration, in which the roles ``first`` and ``second`` are models of ``server``."""
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f'[providers.anthropic]\nbase_url = "{server.origin}"\n[providers.openai]\nbase_url = "{server.v1}"\n'
        '[roles.first]\nprovider = "anthropic"\nmodel = "claude"\n[roles.second]\nprovider = "openai"\nmodel = "gpt"\n'
    )


def reviewed(cli: Terminal, *gates: dict[str, Any]) -> str:
    """A run of a template whose one phase ``draft`` another model looks at."""
    roles = {"one": {"provider": "first"}}
    cli.save(template("reviewed", phase("draft", GATE, *gates, on_fail=STOP), roles=roles))
    assert cli("trust", "own", "--yes", pin=PIN).code == 0  # a reviewer decides only from trusted bytes
    return cli.start("reviewed")


def test_a_question_is_asked_and_the_answer_read(cli: Terminal, models: Models) -> None:
    server = models(opinion("concerns", findings=[FINDING], suggestion="Say what happens"))
    answer = cli("opinion", "ask", "--question", "Is it right?", "--reviewer", "first")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "first (claude): concerns",
        "  I say concerns",
        "  high: stats.py:12: It divides by zero (Refuse [])",
        "  suggests:",
        "    Say what happens",
    ]
    assert "Is it right?" in str(server.asked[0].body)
    assert KEY not in answer.out


def test_a_model_that_asks_to_wait_is_named_with_when_it_is_asked_again(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(_screen: Screen, *lines: str) -> None:
        said.extend(lines)
        cli.clock.forward(seconds=7201)

    said: list[str] = []
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setattr(Screen, "talk", talk)
    server = ModelServer([Turn(status=429, retry_after="7200"), opinion()], key=KEY)
    with server:
        fill_roles(server)
        answer = cli("opinion", "ask", "--question", "Is it right?", "--reviewer", "first")
    assert answer.out.startswith("first (claude): pass\n")
    assert said == [
        "first is asked again at 2026-11-20 10:00:00 UTC: "
        "Provider 'anthropic' received too many requests; it asks you to wait 7200 s."
    ]


def test_json_has_every_opinion_and_the_first_role_is_asked_where_none_is_named(cli: Terminal, models: Models) -> None:
    models(second=opinion("fail", findings=[FINDING]))
    both = cli.json("opinion", "ask", "--question", "?", "--reviewer", "first", "--reviewer", "second")
    assert both.code == 0
    assert both.document["summary"] == "first says pass; second says fail"
    assert [each["opinion"]["verdict"] for each in both.data["opinions"]] == ["pass", "fail"]
    alone = cli.json("opinion", "ask", "--question", "And now?")
    assert [each["reviewer"] for each in alone.data["opinions"]] == ["first"]


def test_what_a_phase_submitted_is_asked_about_and_shown_with_the_gates_question(cli: Terminal, models: Models) -> None:
    server = models()
    run = reviewed(cli, HUMAN)
    assert cli("opinion", "show", run).out.strip() == "0 opinions"
    cli.submit_work(run, "draft", "my careful words")
    document = cli.json("opinion", "ask", run[:8], "draft", "--reviewer", "second")
    assert (document.code, document.document["phase"], document.document["state"]) == (0, "draft", "awaiting")
    assert document.document["run_state"] == "waiting"
    assert all("my careful words" in str(asked.body) for asked in server.asked)
    shown = cli.json("opinion", "show", run, "draft").data["opinions"]
    assert [(each["asked_by"], each["reviewer"], each["model"]) for each in shown] == [
        ("gate", "one", "claude"),
        ("call", "second", "gpt"),
    ]
    assert cli("opinion", "show", run).out.count("on draft (attempt 1): pass") == 2


def test_an_opinion_that_a_person_asked_for_is_called_advice_beside_that_of_the_gate(
    cli: Terminal, models: Models
) -> None:
    models(second=opinion("fail"))
    run = reviewed(cli, HUMAN)
    cli.submit_work(run, "draft")
    assert cli("opinion", "ask", run, "draft", "--reviewer", "second").code == 0
    listed = cli("opinion", "show", run).out.splitlines()
    assert "one (claude) on draft (attempt 1): pass" in listed
    assert "second (gpt), advice, on draft (attempt 1): fail" in listed
    seen = cli("show", run, "--decision").out
    assert "Reviewer second, whose opinion is advice, says fail." in seen
    assert {"  one (claude)  pass  I say pass", "  second (gpt), advice  fail  I say fail"} <= set(seen.splitlines())


def test_what_cannot_be_asked_or_shown_is_refused_with_the_nearest_name(cli: Terminal, models: Models) -> None:
    assert cli.json("opinion", "ask", "--question", "?").refusal == "unavailable"
    models()
    assert cli.json("opinion", "ask").refusal == "bad_argument"
    wrong = cli.json("opinion", "ask", "--question", "?", "--reviewer", "secnd")
    assert (wrong.code, wrong.refusal) == (1, "bad_argument")
    assert "Did you mean 'second'?" in wrong.document["error"]["hint"]
    run = cli.start("letter")
    assert cli.json("opinion", "ask", run, "drfat").refusal == "unknown_phase"
    shown = cli.json("opinion", "show", run, "drfat")
    assert (shown.refusal, shown.document["error"]["hint"]) == ("unknown_phase", "Did you mean 'draft'?")
    assert cli.json("opinion", "show", "nowhere").refusal == "unknown_run"
    assert cli("opinion", "overrule", run).code == 2


def test_a_model_that_cannot_be_asked_is_reported_on_standard_error(
    cli: Terminal, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    models()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    answer = cli("opinion", "ask", "--question", "?", "--reviewer", "first")
    assert (answer.code, answer.out) == (1, "")
    assert "No opinion came" in answer.err
    assert "ANTHROPIC_API_KEY" in answer.err


@pytest.mark.requirement("S0-33", "S0-08")
@pytest.mark.requirement("B-06")
def test_a_person_decides_against_a_model_with_the_pin_and_a_reason(cli: Terminal, models: Models) -> None:
    models(opinion("fail", findings=[FINDING]))
    run = reviewed(cli)
    assert cli.submit_work(run, "draft").refusal == "gate_failed"
    asked = ("opinion", "overrule", run, "draft", "--reason", "it misread the empty list")
    alone = cli.json(*asked)
    assert (alone.code, alone.refusal) == (1, "needs_human")
    assert alone.data["leads_to"] == "If you overrule the reviewers, the run completes."
    assert cli.json(*asked, pin="wrong horse").refusal == "wrong_pin"
    document = cli.json(*asked, pin=PIN)
    assert (document.code, document.document["state"], document.document["run_state"]) == (0, "completed", "completed")
    assert document.document["summary"].startswith("Overruled the opinion on draft")
    assert "it misread the empty list" in cli("log", run).out
    assert cli("verify", run).code == 0


def test_there_is_nothing_to_overrule_where_no_model_said_anything(cli: Terminal) -> None:
    run = cli.start("letter")
    document = cli.json("opinion", "overrule", run, "draft", "--reason", "x", pin=PIN)
    assert (document.code, document.refusal) == (1, "illegal_transition")


def test_a_reviewer_may_be_a_person_who_answers_a_file(cli: Terminal) -> None:
    assert cli("providers", "role", "first", "manual").code == 0
    run = reviewed(cli)
    result = cli.submit_work(run, "draft", "my careful words")
    assert (result.code, result.document["state"], result.document["waiting_on"]) == (0, "gating", "human")
    (blocker,) = cli.json("status", run).data["blockers"]
    assert blocker.startswith("draft waits for the opinion of a person. As one: read ")
    question = cli.root / blocker.partition(" read ")[2].split(" ,")[0]
    answer = cli.root / blocker.partition("save the opinion to ")[2].split(" ,")[0]
    text = question.read_text(encoding="utf-8")
    assert "my careful words" in text
    command = f"wfe-mcp opinion answer {run} draft --reviewer one"
    assert command in text and command in blocker
    shown = cli("status", run)
    assert "waiting for you" in shown.out and " ".join(shown.out.split()).count(blocker) == 1 and command in shown.err
    assert "waits for the opinion of a person" in cli("show", run).out
    assert cli("list").out.split(run)[1].split()[1] == "you"
    give = ("opinion", "answer", run, "draft")
    assert cli.json("opinion", "answer", run, "drft").refusal == "unknown_phase"
    assert cli.json(*give).refusal == "bad_argument", "no PIN is asked for an answer that is not there"
    answer.write_text('{"verdict": "maybe", "findings": []}')
    wrong = cli.json(*give)
    assert wrong.refusal == "invalid_artifact" and "/verdict" in wrong.document["error"]["message"]
    answer.write_text('{"verdict": "pass", "findings": [], "summary": "I have read it"}')
    assert cli.json(*give).refusal == "needs_human"
    done = cli.json(*give, pin=PIN)
    assert (done.code, done.document["run_state"]) == (0, "completed")
    assert done.document["summary"].startswith("Took the opinion of one on draft: pass")
    (kept,) = cli.json("opinion", "show", run).data["opinions"]
    assert (kept["provider"], kept["model"], kept["opinion"]["summary"]) == ("manual", "manual", "I have read it")
    assert cli("verify", run).code == 0
    again = cli.json(*give, pin=PIN)
    assert (again.code, again.refusal) == (1, "illegal_transition")


@pytest.mark.requirement("B-06")
def test_a_reviewer_that_asks_to_wait_an_hour_is_not_waited_for_at_the_terminal_and_may_be_overruled(
    cli: Terminal, models: Models
) -> None:
    models(Turn(status=429, retry_after="3600"))
    run = reviewed(cli)
    answer = cli.submit_work(run, "draft")
    assert (answer.code, answer.document["state"], answer.document["waiting_on"]) == (0, "gating", "reviewer")
    command = f"wfe-mcp opinion overrule {run} draft --reason TEXT"
    for view in (cli("status", run), cli("show", run)):
        assert command in view.out + view.err
    asked = ("opinion", "overrule", run, "draft", "--reason", "no time to wait")
    assert cli.json(*asked).refusal == "needs_human"
    done = cli.json(*asked, pin=PIN)
    assert (done.code, done.document["run_state"]) == (0, "completed")
    assert "no time to wait" in cli("show", run, "--phase", "draft").out
    assert cli("verify", run).code == 0


def test_a_submission_whose_reviewer_would_exceed_a_cap_is_answered_and_judged_after_the_limit_was_raised(
    cli: Terminal, models: Models
) -> None:
    server = models(opinion("pass"))
    run = reviewed(cli)
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(f"{config.read_text()}\n[budget]\ntokens_per_run = 10\n")
    assert cli("trust", "--yes", pin=PIN).code == 0

    answer = cli.submit_work(run, "draft")

    assert (answer.code, answer.document["run_state"], answer.document["state"]) == (0, "paused", "gating")
    assert server.asked == []
    result = cli("status", run)
    assert "0 tokens of 10 tokens (tokens_per_run) are spent" in result.out
    assert cli("resume", run, "--max-tokens", "90000", pin=PIN).code == 0


def test_no_pin_is_asked_for_an_overruling_without_a_reason(cli: Terminal, models: Models) -> None:
    models(opinion("fail"))
    run = reviewed(cli)
    cli.submit_work(run, "draft")
    asked = cli.json("opinion", "overrule", run, "draft", "--reason", " ")
    assert asked.refusal == "bad_argument"
    assert cli.json("opinion", "overrule", run, "draft", "--reason", "because").refusal == "needs_human"
