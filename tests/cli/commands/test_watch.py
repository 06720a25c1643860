"""Watch, log and show report what happens in a run and what happened."""

import re

import pytest

from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp.cli.commands import watch
from wfe_mcp.core.model import By
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import CLI_HOLDER
from wfe_mcp.engine.runs.control import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import project_at, user_config_file


def test_watch_ends_when_a_person_is_needed(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    answer = cli("watch", run)
    assert answer.code == 0
    assert f"Next: wfe-mcp approve {run} send" in answer.err


@pytest.mark.parametrize("rings", [True, False])
def test_watch_rings_at_a_terminal_when_a_person_is_needed_and_wants_it(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, rings: bool
) -> None:
    if rings:
        file = user_config_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("[notify]\nterminal = true\n")
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    answer = cli("watch", run)
    assert (f"\a\033]0;wfe-mcp: {run} needs you\a" in answer.err) is rings


def test_watch_leaves_the_agent_time_to_ask_where_a_standing_grant_may_approve(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[notify]\nterminal = true\n")
    cli("grant", "add", "letter", "send", "--when", "${size(change.files) <= 3}", pin=PIN)
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    waits: list[object] = []

    def always(*_: object) -> bool:
        return True

    def wait(*arguments: object) -> None:
        waits.append(arguments)
        cli.clock.forward(seconds=25)

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("wfe_mcp.cli.commands.watch._agent_works", always)
    monkeypatch.setattr("wfe_mcp.cli.commands.watch._until_changed", wait)
    answer = cli("watch", run)
    assert len(waits) == 3, "a minute, as other notifications"
    assert f"\a\033]0;wfe-mcp: {run} needs you\a" in answer.err, "the agent did not ask: now the person is called"


def test_watch_ends_when_no_one_is_there_to_work(cli: Terminal) -> None:
    run = cli.start("note")
    assert cli.json("watch", run).document["waiting_on"] == "agent"


@pytest.mark.requirement("S0-51")
def test_watch_runs_gates_that_wait_and_shows_what_happens(cli: Terminal) -> None:
    (cli.root / "ok").touch()
    run = cli.start("code")
    engine = create_engine(project_at(cli.root), clock=cli.clock, holder=CLI_HOLDER)
    answers.start_phase(engine, By(), run)
    assert answers.submit_artifact(engine, By(), run, "build", artifact={"text": "x"}).state == "gating"
    engine.close()
    answer = cli("watch", run)
    assert re.search(r"\d+  2026-11-20T\S+Z  Gate 1 of build passed: Check 'test'", answer.out)
    assert "build passed  PhaseCompleted" in answer.out
    assert f'{run} "A code": completed in ' in answer.out


def test_watch_says_which_runner_a_check_waits_for(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    file = cli.root / ".wfe" / "config.toml"
    file.write_text(file.read_text() + 'where = "runner"\nlabels = ["gpu"]\n')
    assert cli.json("trust", "--yes", pin=PIN).code == 0
    run = cli.start("code")
    engine = create_engine(project_at(cli.root), clock=cli.clock, holder=CLI_HOLDER)
    answers.start_phase(engine, By(), run)
    answers.submit_artifact(engine, By(), run, "build", artifact={"text": "x"})
    monkeypatch.setattr(watch, "_until_changed", lambda *_: control(engine, By(), run, "cancel"))  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType] - of any call
    said = cli("watch", run)
    engine.close()
    assert "The check of build waits for a runner with the labels gpu, and none has asked" in said.err


@pytest.mark.requirement("S0-51", "S4-33")
def test_log_lists_the_events_page_by_page(cli: Terminal) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    first = cli.json("log", run, "--limit", "2").data
    assert [each["seq"] for each in first["events"]] == [1, 2]
    rest = cli.json("log", run, "--after", str(first["after"])).data
    assert "after" not in rest
    assert rest["events"][-1]["type"] == "RunCompleted"
    text = cli("log", run, "--limit", "2").out
    assert "RunStarted" in text and "ada (cli, agent)" in text
    assert text.splitlines()[0].endswith(" WHAT HAPPENED"), "the sentence is what a terminal wraps"
    assert cli("log", run, "--limit", "2").err == f"Next: wfe-mcp log {run} --after 2\n"


def test_an_attempt_that_was_sent_back_is_rejected_in_each_view(cli: Terminal) -> None:
    run = cli.start("letter")
    for name in ("draft", "send"):
        cli.submit_work(run, name)
    assert cli("reject", run, "send", "--feedback", "Shorter.", pin=PIN).code == 0
    first = next(each for each in cli.json("show", run).data["attempts"] if each["phase"] == "send")
    assert (first["state"], first["ended"]) == ("superseded", "rejected"), "the state is a word of the contract"
    assert re.search(r"send 1 +rejected +\w+ \w{12}; Shorter\.", cli("show", run).out)


def test_show_lists_every_try_its_evidence_and_who_decided(cli: Terminal) -> None:
    run = cli.start("deed")
    cli.submit_work(run, "sign", "first")
    (cli.root / "ok").touch()
    cli.submit_work(run, "sign", "second")
    cli("approve", run, "sign", "--comment", "Well done.", pin=PIN)
    data = cli.json("show", run).data
    assert [(each["attempt"], each["state"]) for each in data["attempts"]] == [(1, "superseded"), (2, "completed")]
    assert data["attempts"][0]["evidence"][0]["log"].endswith(".log")
    (decision,) = data["decisions"]
    assert (decision["decision"], decision["actor"], decision["channel"], decision["assurance"]) == (
        "approved",
        "ada",
        "cli",
        "human",
    )
    text = cli("show", run).out
    for lines in (
        "sign 1 failed Check 'test'",
        "sign approved by ada (cli, assurance human): Well done.",
    ):
        assert lines in " ".join(text.split())


def test_a_rule_that_failed_does_not_run_into_the_next_step(cli: Terminal) -> None:
    never = {"kind": "expr", "assert": "${1 > 2}"}
    cli.save(template("rule", phase("build", never, on_fail=[{"do": "wait_human"}])))
    run = cli.start("rule")
    cli.submit_work(run, "build")
    why = "Rule failed: ${1 > 2}. Next: change the artifact so that the rule holds"
    assert f"build failed ({why}); decide: wfe-mcp retry {run} build" in " ".join(cli("status", run).out.split())


def test_the_reason_of_a_pause_may_be_a_sentence(cli: Terminal) -> None:
    run = cli.start("note")
    cli("pause", run, "--reason", "The API comes in May.")
    assert f"The run is paused: The API comes in May; continue: wfe-mcp resume {run}" in cli("status", run).out


@pytest.mark.requirement("S0-09")
def test_a_run_is_paused_and_cancelled_without_a_pin(cli: Terminal) -> None:
    run = cli.start("note")
    assert cli("pause", run, "--reason", "lunch").out.startswith(f'Paused {run} "A note".')
    assert "The run is paused: lunch" in cli("status", run).out
    assert cli.json("cancel", run, "--reason", "no more").document["run_state"] == "cancelled"
    for looks in ("status", "show"):
        assert "The run is cancelled: no more" in cli(looks, run).out
    answer = cli("pause", run)
    assert (answer.code, answer.out) == (1, "")
    assert "illegal_transition" in answer.err
