"""Only a person can approve, and the PIN identifies them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.agent import agent
from tests.cli.kept_scenes import scene
from tests.cli.scene import CHECK, HUMAN, PIN, Terminal, phase, template

ALWAYS_A_PERSONS = [
    ["approve", "RUN", "send"],
    ["reject", "RUN", "send", "--feedback", "no"],
    ["force-accept", "RUN", "send", "--reason", "late"],
    ["skip", "RUN", "send", "--reason", "late"],
    ["proceed", "RUN"],
    ["resume", "RUN"],
    ["auto", "on", "RUN"],
]


@pytest.fixture
@scene
def letter(cli: Terminal) -> str:
    """A run that waits for a person at ``send``."""
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    assert cli.submit_work(run, "send").document["state"] == "awaiting"
    return run


@pytest.mark.requirement("B-23")
def test_a_persons_command_is_refused_without_a_pin(cli: Terminal, letter: str) -> None:
    document = [cli.json(*[letter if word == "RUN" else word for word in words]) for words in ALWAYS_A_PERSONS]
    assert {(each.code, each.refusal) for each in document} == {(1, "needs_human")}
    assert all("--pin-fd" in each.document["error"]["hint"] for each in document)
    assert cli.state(letter) == "waiting"


@pytest.mark.requirement("B-23")
def test_a_persons_command_is_refused_with_a_wrong_pin(cli: Terminal, letter: str) -> None:
    for words in ALWAYS_A_PERSONS:
        document = cli.json(*[letter if word == "RUN" else word for word in words], pin="wrong horse")
        assert (document.code, document.refusal) == (1, "wrong_pin"), words
    assert cli.state(letter) == "waiting"


@pytest.mark.requirement("B-23")
def test_the_pin_is_no_argument_and_no_variable(cli: Terminal, letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WFE_PIN", PIN)
    assert cli("approve", letter, "send", "--pin", PIN).code == 2
    assert cli.json("approve", letter, "send").refusal == "needs_human"


def test_without_a_pin_the_request_is_stored_and_named(cli: Terminal, letter: str) -> None:
    answer = cli.json("approve", letter, "send").document
    assert answer["data"]["asked"]["artifact"]["content"] == {"text": "hello"}
    assert answer["data"]["request"].startswith("rq-")
    assert "ApprovalAsked" in cli("log", letter).out


def test_approve_shows_the_bytes_and_decides_exactly_them(cli: Terminal, letter: str) -> None:
    answer = cli("approve", letter, "send", pin=PIN)
    assert answer.code == 0
    sha256 = cli.json("artifact", "show", letter, "send").data["sha256"]
    assert answer.out.index(f"sha256 {sha256}") < answer.out.index("Approved send, send ")
    assert "text: hello" in answer.out
    assert cli.state(letter) == "completed"


def test_what_was_approved_and_by_whom_is_in_the_document(cli: Terminal, letter: str) -> None:
    answer = cli.json("approve", letter, "send", pin=PIN).document
    assert (answer["phase"], answer["state"], answer["run_state"]) == ("send", "completed", "completed")
    assert (answer["data"]["approved"]["artifact"], answer["data"]["approved"]["by"]) == ("send", "ada")


def test_a_revision_named_by_its_first_characters_must_be_the_open_one(cli: Terminal, letter: str) -> None:
    sha256 = cli.json("artifact", "show", letter, "send").data["sha256"]
    other = "0" if sha256[0] != "0" else "1"
    assert cli.json("approve", letter, "send", "--sha256", other, pin=PIN).refusal == "stale_revision"
    assert cli.json("reject", letter, "send", "--feedback", "x", "--sha256", other, pin=PIN).refusal == "stale_revision"
    assert cli("approve", letter, "send", "--sha256", sha256[:8].upper(), pin=PIN).code == 0


def test_one_line_break_after_the_pin_does_not_count(cli: Terminal, letter: str) -> None:
    assert cli("approve", letter, "send", pin=f"{PIN}\n").code == 0


def test_after_five_wrong_pins_every_pin_is_refused_for_a_minute(cli: Terminal, letter: str) -> None:
    for _ in range(5):
        assert cli.json("approve", letter, "send", pin="wrong horse").refusal == "wrong_pin"
    cli.clock.forward(seconds=59)
    document = cli.json("approve", letter, "send", pin=PIN)
    assert document.refusal == "wrong_pin"
    assert "for another 1 second" in document.document["error"]["message"]
    cli.clock.forward(seconds=2)
    assert cli("approve", letter, "send", pin=PIN).code == 0


def test_what_cannot_be_a_pin_is_refused(cli: Terminal, letter: str) -> None:
    for pin in (b"abc", b"x" * 129, b"\xff\xfe\xfd\xfc", b""):
        answer = cli("approve", letter, "send", pin=pin)
        assert answer.code == 1
        assert answer.err.startswith("error: ")
        assert any(f"[{code}]" in answer.err for code in ("wrong_pin", "bad_argument", "needs_human"))


def test_a_descriptor_that_is_not_open_is_named(cli: Terminal, letter: str) -> None:
    answer = cli("approve", letter, "send", "--pin-fd", "977")
    assert answer.code == 1
    assert "--pin-fd 977 cannot be read" in answer.err


def test_without_any_pin_the_way_to_one_is_named(empty: Terminal) -> None:
    (empty.root / ".wfe" / "templates").mkdir(parents=True)
    empty.git("init", "-q")
    run = empty.start("quick_fix", "-i", "problem=x")
    document = empty.json("resume", run, pin=PIN)
    assert document.refusal == "needs_human"
    assert "wfe-mcp init" in document.document["error"]["hint"]


@pytest.mark.requirement("S0-34")
def test_reject_sends_the_work_back_with_the_words(cli: Terminal, letter: str) -> None:
    answer = cli.json("reject", letter, "send", "--feedback", "Too short.", pin=PIN).document
    assert (answer["state"], answer["data"]["phases"][0]["attempt"]) == ("ready", 2)
    assert "Too short." in cli("show", letter).out


def test_reject_to_an_earlier_phase_opens_the_next_iteration(cli: Terminal, letter: str) -> None:
    answer = cli.json("reject", letter, "send", "--feedback", "Start over.", "--to", "draft", pin=PIN).document
    assert answer["data"]["iteration"] == 2
    assert [each["phase"] for each in answer["data"]["phases"]] == ["draft"]


def test_what_a_rejection_to_an_earlier_phase_leads_to_is_said_before_it(cli: Terminal, letter: str) -> None:
    words = ("reject", letter, "send", "--feedback", "Start over.", "--to", "draft")
    promise = "If you send it back, the run goes back to draft."
    alone = cli.json(*words)
    assert (alone.refusal, alone.data["leads_to"]) == ("needs_human", promise)
    assert promise in alone.err
    said = cli(*words, pin=PIN).out
    assert said.index("Send back send of") < said.index(promise) < said.index("Rejected send; back to draft")
    assert "If you approve" not in said


def test_what_a_resumed_run_continues_with_is_said_before_it(cli: Terminal, letter: str) -> None:
    assert cli("pause", letter).code == 0
    assert "If you resume it, the run continues with send." in cli("resume", letter, pin=PIN).out


def test_rejecting_a_phase_that_is_not_there_is_refused(cli: Terminal, letter: str) -> None:
    assert cli.json("reject", letter, "sent", "--feedback", "x", pin=PIN).refusal == "unknown_phase"


def test_a_gate_that_takes_an_agents_word_asks_for_no_pin(cli: Terminal) -> None:
    cli.save(template("chat", phase("talk", {"kind": "approval", "assurance": "agent"})))
    run = cli.start("chat")
    cli.submit_work(run, "talk")
    assert cli("approve", run, "talk").code == 0
    assert cli.state(run) == "completed"


def test_a_phrase_must_be_given_as_the_template_has_it(cli: Terminal) -> None:
    cli.save(template("deploy", phase("live", HUMAN | {"phrase": "ship it"})))
    run = cli.start("deploy")
    cli.submit_work(run, "live")
    answer = cli("approve", run, "live", pin=PIN)
    assert answer.code == 1
    assert "This gate asks for the phrase: ship it" in answer.out
    assert cli("approve", run, "live", "--phrase", "ship it", pin=PIN).code == 0


def test_an_artifact_edited_before_the_decision_is_judged_again(cli: Terminal, letter: str) -> None:
    mirror = cli.root / ".wfe" / "runs" / letter / "send" / "1" / "artifact.json"
    mirror.write_text('{"text": "other"}')
    assert cli.json("approve", letter, "send", pin=PIN).refusal == "stale_revision"
    assert cli("approve", letter, "send", pin=PIN).code == 0
    assert cli.json("artifact", "show", letter, "send").data["content"] == {"text": "other"}


@pytest.mark.usefixtures("in_git")
def test_files_changed_before_the_decision_are_tested_again(cli: Terminal) -> None:
    (cli.root / "ok").touch()
    run = cli.start("deed")
    assert cli.submit_work(run, "sign").document["state"] == "awaiting"
    (cli.root / "more.txt").write_text("changed")
    answer = cli.json("approve", run, "sign", pin=PIN).document
    assert (answer["error"]["code"], answer["state"]) == ("stale_revision", "awaiting")
    assert cli("approve", run, "sign", pin=PIN).code == 0


@pytest.mark.usefixtures("in_git")
def test_approve_shows_which_files_that_define_the_checks_changed(cli: Terminal) -> None:
    (cli.root / "ok").touch()
    cli.save(template("pair", phase("first", CHECK), phase("second", CHECK, HUMAN)))
    old = cli.start("pair")
    cli("cancel", old)
    cli.clock.forward(seconds=1)
    run = cli.start("pair")
    cli.submit_work(run, "first")
    (cli.root / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--co'\n")
    (cli.root / "notes.txt").write_text("nothing to do with checks")
    cli.submit_work(run, "second")
    answer = cli("approve", run, "second", pin=PIN)
    assert answer.code == 0, answer.err
    assert "! warning: pyproject.toml changed since the run began. It defines what the checks run.\n" in answer.out
    assert f"! note: Cancelled before this run: {old}" in answer.out


def test_nothing_that_an_agent_wrote_can_move_the_cursor(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send", "evil\x1b[2K\u202eesrever")
    out = cli("approve", run, "send", pin=PIN).out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_a_failed_phase_is_reopened_by_a_person_only(cli: Terminal) -> None:
    run = cli.start("code")
    assert cli.submit_work(run, "build").refusal == "gate_failed"
    assert cli.state(run) == "waiting"
    assert cli.json("retry", run, "build").refusal == "needs_human"
    assert cli.json("retry", run, "build", "--feedback", "again", pin=PIN).document["state"] == "ready"


def test_a_phase_that_an_agent_works_on_is_retried_by_the_person_only(cli: Terminal) -> None:
    cli.save(template("slow", phase("draft", {"kind": "expr", "assert": "${size(artifacts.draft.text) > 9}"})))
    run = cli.start("slow")
    cli.submit_work(run, "draft")
    assert cli.json("retry", run, "draft").refusal == "illegal_transition", "the next attempt is open, and no one's"
    begun = agent(cli, "start_phase", run=run, phase="draft")
    assert begun["ok"], begun
    assert cli.json("retry", run, "draft").refusal == "needs_human"
    answer = cli.json("retry", run, "draft", pin=PIN)
    assert answer.data["phases"][0]["attempt"] == 3


@pytest.mark.requirement("B-24", "S4-06")
def test_force_accept_taints_the_run_for_all_to_see(cli: Terminal) -> None:
    run = cli.start("code")
    cli.submit_work(run, "build")
    answer = cli.json("force-accept", run, "build", "--reason", "It is Friday.", pin=PIN).document
    assert (answer["run_state"], answer["data"]["tainted"]) == ("completed", True)
    assert "TAINTED" in cli("status", run).out
    assert "(tainted)" in cli("list").out
    assert "accepted by force by ada (cli, assurance human): It is Friday." in cli("show", run).out


def test_a_template_may_let_anyone_skip_a_phase(cli: Terminal) -> None:
    cli.save(template("loose", phase("extra", skip="agent"), phase("draft")))
    run = cli.start("loose")
    assert cli.json("skip", run, "extra", "--reason", "not needed").document["state"] == "skipped"
    assert cli.json("skip", run, "draft", "--reason", "not needed").refusal == "needs_human"
    assert cli.json("skip", run, "draft", "--reason", "not needed", pin=PIN).document["run_state"] == "completed"


@pytest.mark.requirement("S0-56")
def test_an_option_of_a_command_wins_over_the_configuration(cli: Terminal) -> None:
    (cli.root / ".wfe/config.toml").write_text("auto = false\n")
    cli("trust", "--yes", pin=PIN)
    waits, continues = cli.start("letter"), cli.start("letter", "--auto")
    cli.submit_work(waits, "draft")
    cli.submit_work(continues, "draft")
    assert "held for you" in cli("status", waits).out
    assert "held for you" not in cli("status", continues).out


def test_without_automatic_mode_each_phase_waits_for_proceed(cli: Terminal) -> None:
    run = cli.start("letter", "--no-auto")
    cli.submit_work(run, "draft")
    assert "held for you" in cli("status", run).out
    assert cli.json("proceed", run, "draft", pin=PIN).document["run_state"] == "running"
    assert cli.json("auto", "on", run, pin=PIN).document["data"].get("auto", True)
    assert cli.json("auto", run, "off").document["data"]["auto"] is False
    assert cli("auto", "maybe", run).code == 2


def test_a_persons_pause_is_ended_by_a_person(cli: Terminal, letter: str) -> None:
    assert cli.json("pause", letter, "--reason", "lunch", pin=PIN).document["run_state"] == "paused"
    assert cli.json("resume", letter).refusal == "needs_human"
    assert cli.json("resume", letter, pin=PIN).document["run_state"] == "waiting"


def test_a_persons_own_phase_takes_the_work_of_a_person(cli: Terminal) -> None:
    cli.save(template("form", phase("answer", kind="human")))
    run = cli.start("form")
    (cli.root / "draft.json").write_text('{"text": "42"}')
    assert cli.json("submit", run, "answer", "--path", "draft.json").refusal == "needs_human"
    assert cli.json("submit", run, "answer", "--file", "draft.json", pin=PIN).document["run_state"] == "completed"


@pytest.mark.requirement("B-23", "S4-07")
@pytest.mark.skipif(sys.platform == "win32", reason="the fake client is a symbolic link")
def test_a_terminal_of_the_agents_client_decides_nothing(cli: Terminal, letter: str, tmp_path: Path) -> None:
    from wfe_mcp.store import Store
    from wfe_mcp.store.records.runs import ProcessRecord
    from wfe_mcp.workspace.system.process import started_at, this_process

    (tmp_path / "claude").symlink_to(sys.executable)
    (tmp_path / "client.py").write_text(
        "import subprocess, sys\nsys.stdin.readline()\n"
        "sys.exit(subprocess.run(sys.argv[1:], input=b'correct horse').returncode)\n"
    )
    command = [sys.executable, "-m", "wfe_mcp", "approve", letter, "send", "--pin-fd", "0", "--json"]
    here = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [tmp_path / "claude", tmp_path / "client.py", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": here},
    ) as client:
        me, client_began = this_process(), started_at(client.pid)
        store = Store.open(f"sqlite:///{cli.database}", clock=cli.clock)
        with store.tx() as tx:
            tx.processes.register(ProcessRecord(me.host, me.pid, me.started_at, "serve", client.pid, client_began))
        store.close()
        out, _ = client.communicate("go\n", timeout=120)
    assert client.returncode == 1, out
    assert '"code": "needs_human"' in out
    assert "a terminal that this process did not start" in out
    assert cli.state(letter) == "waiting"


def test_at_a_terminal_the_pin_is_asked_for_unseen(
    cli: Terminal, letter: str, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    at_terminal(True)

    def type_in(prompt: str) -> str:
        asked.append(prompt)
        return PIN

    monkeypatch.setattr("getpass.getpass", type_in)
    assert cli("approve", letter, "send").code == 0
    sha256 = cli.json("artifact", "show", letter, "send").data["sha256"]
    assert asked == [f"PIN to sign {sha256[:12]}: "]


def test_leaving_the_pin_prompt_changes_nothing(
    cli: Terminal, letter: str, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(_prompt: str) -> str:
        raise EOFError

    at_terminal(True)
    monkeypatch.setattr("getpass.getpass", leave)
    assert cli.json("approve", letter, "send").refusal == "needs_human"
    assert cli.state(letter) == "waiting"


def test_what_moved_on_while_the_person_thought_is_not_approved(
    cli: Terminal, letter: str, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def think(_prompt: str) -> str:
        cli("reject", letter, "send", "--feedback", "meanwhile", pin=PIN)
        cli.submit_work(letter, "send", "something else")
        return PIN

    at_terminal(True)
    monkeypatch.setattr("getpass.getpass", think)
    assert cli.json("approve", letter, "send").refusal == "stale_revision"
    assert cli.state(letter) == "waiting"
