"""A run as it was: up to an event, whole at an event, and event by event."""

import re

import pytest

from tests.cli.agent import agent
from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp.core.model import By
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import CLI_HOLDER
from wfe_mcp.views.approvals import answers as decisions
from wfe_mcp.workspace.system.location import project_at


@pytest.fixture
@scene
def letter(cli: Terminal) -> str:
    """A letter that was rejected once and sent then; a minute lies between one command and the next."""
    run = cli.start("letter")
    engine = create_engine(project_at(cli.root), clock=cli.clock, holder=CLI_HOLDER)
    for what in (
        lambda: cli.submit_work(run, "draft", "Dear Ada"),
        lambda: cli.submit_work(run, "send", "one"),
        lambda: decisions.ask_approval(engine, By(), run, "send"),
        lambda: cli("reject", run, "send", "--feedback", "too short", pin=PIN),
        lambda: cli.submit_work(run, "send", "two"),
        lambda: cli("approve", run, "send", pin=PIN),
    ):
        cli.clock.forward(minutes=1)
        assert what()
    engine.close()
    assert cli.state(run) == "completed"
    return run


def seq_of(cli: Terminal, run: str, type_: str, nth: int = 1) -> int:
    found = [each["seq"] for each in cli.json("log", run).data["events"] if each["type"] == type_]
    return found[nth - 1]


@pytest.mark.requirement("S1-03")
def test_the_log_up_to_an_event_ends_with_how_the_run_stood(cli: Terminal, letter: str) -> None:
    asked = seq_of(cli, letter, "ApprovalAsked")
    message = cli("log", letter, "--at", str(asked))
    lines = message.out.splitlines()
    assert len(lines) == asked + 2, "a header, the events, the state"
    assert lines[-2].lstrip().startswith(f"{asked}  ")
    assert re.fullmatch(
        rf"As of event {asked} of \d+ \(ApprovalAsked\): A letter: waiting, 1 of 2 phases done", lines[-1]
    )
    data = cli.json("log", letter, "--at", str(asked), "--after", "3").data
    assert [each["seq"] for each in data["events"]] == list(range(4, asked + 1))
    assert (data["as_of"]["event"], data["as_of"]["state"]) == (asked, lines[-1])


def test_a_long_log_up_to_an_event_says_how_to_read_on(cli: Terminal, letter: str) -> None:
    answer = cli("log", letter, "--at", "9", "--limit", "3")
    assert answer.err == f"Next: wfe-mcp log {letter} --after 3 --at 9\n"


@pytest.mark.requirement("S1-03")
def test_a_log_that_has_nothing_there_says_what_it_has(cli: Terminal, letter: str) -> None:
    last = len(cli.json("log", letter).data["events"])
    assert cli("log", letter, "--after", "9999").out == f"No event after 9999: the log has {last}.\n"
    assert cli("log", letter, "--after", "9" * 20).out == f"No event after {'9' * 20}: the log has {last}.\n"
    assert cli("log", letter, "--after", "5", "--at", "3").out.startswith("No event after 5 up to 3.\nAs of event 3")


def test_a_checkpoint_that_someone_took_names_no_phase_in_the_log(cli: Terminal, letter: str) -> None:
    cli("checkpoint", letter, "--note", "before the rewrite")
    line = cli("log", letter).out.splitlines()[-1]
    assert "Checkpoint: manual: before the rewrite (" in " ".join(line.split())


def test_a_run_is_shown_whole_as_it_was_when_someone_was_asked(cli: Terminal, letter: str) -> None:
    asked = seq_of(cli, letter, "ApprovalAsked")
    then, now = cli.json("show", letter, "--at", str(asked)), cli.json("show", letter)
    assert (then.document["run_state"], now.document["run_state"]) == ("waiting", "completed")
    assert "next" not in then.document
    tries = [(each["phase"], each["attempt"], each["state"]) for each in then.data["attempts"]]
    assert tries == [("draft", 1, "completed"), ("send", 1, "awaiting")]
    assert [(each["phase"], each["revision"]) for each in then.data["artifacts"]] == [("draft", 1), ("send", 1)]
    assert [each["state"] for each in then.data["requests"]] == ["open"]
    assert [each["state"] for each in now.data["requests"]] == ["rejected", "approved"]
    assert (then.data["decisions"], [each["decision"] for each in now.data["decisions"]]) == (
        [],
        ["rejected", "approved"],
    )
    text = cli("show", letter, "--at", str(asked)).out
    for lines in ("waiting at 2026-11-20T08:03:00Z", "awaiting approval", "no decision yet"):
        assert lines in text
    assert "too short" not in text


def test_each_moment_of_a_run_is_shown_and_the_last_one_is_how_it_stands(cli: Terminal, letter: str) -> None:
    now, many = cli.json("show", letter).data, len(cli.json("log", letter).data["events"])
    moments = [cli.json("show", letter, "--at", str(seq)).data for seq in range(1, many + 1)]
    assert [then["as_of"]["event"] for then in moments] == list(range(1, many + 1))
    assert {then["as_of"]["of"] for then in moments} == {many}
    for part in ("attempts", "decisions", "requests", "artifacts", "manifest", "inputs", "iteration"):
        assert moments[-1][part] == now[part], part


@pytest.mark.parametrize(
    ("at", "hint"),
    [
        ("0", "Its events are 1 to"),
        ("999", "wfe-mcp log"),
        ("yesterday", "cp-12"),
        ("yesterday", "1 to "),
        ("cp-2", "no checkpoints"),
        ("cp-999", "no checkpoints"),
        ("-1", "1 to "),
        ("1.5", "1 to "),
    ],
)
def test_a_moment_that_never_was_is_named_with_those_that_were(cli: Terminal, letter: str, at: str, hint: str) -> None:
    for command in ("log", "show"):
        document = cli.json(command, letter, f"--at={at}")
        assert (document.code, document.refusal) == (1, "bad_argument")
        assert hint in document.document["error"]["hint"]


def test_an_artifact_is_printed_as_it_was(cli: Terminal, letter: str) -> None:
    first, second = (str(seq_of(cli, letter, "RevisionSubmitted", nth)) for nth in (2, 3))
    assert cli("artifact", "show", letter, "send", "--pointer", "/text", "--at", first).out == "one\n"
    assert cli("artifact", "show", letter, "send", "--pointer", "/text", "--at", second).out == "two\n"
    assert [each["phase"] for each in cli.json("artifact", "show", letter, "--at", first).data["artifacts"]] == [
        "draft",
        "send",
    ]
    assert cli.json("artifact", "show", letter, "send", "--at", "2").refusal == "unknown_artifact"
    error = cli.json("artifact", "show", letter, "send", "--at", first, "--revision", "2").document["error"]
    assert (error["code"], error["message"]) == ("unknown_artifact", f"send had no revision 2 at event {first}.")
    assert error["hint"] == "Its newest one then was 1."
    assert (
        cli.json("artifact", "show", letter, "send", "--at", second, "--revision", "1").data["content"]["text"] == "one"
    )


@pytest.mark.requirement("S1-03")
def test_each_step_says_what_the_event_changed(cli: Terminal, letter: str) -> None:
    lines = cli("log", letter, "--step").out.splitlines()
    submitted = next(place for place, line in enumerate(lines) if "submitted revision 1 of draft" in line)
    assert lines[submitted + 1 : submitted + 3] == [
        '        - /phases/draft/state: "running"',
        '        + /phases/draft/state: "gating"',
    ]
    events = cli.json("log", letter, "--step").data["events"]
    completed = next(each for each in events if each["type"] == "RunCompleted")
    assert {"path": "/run/status", "old": "running", "new": "completed"} in completed["changes"]
    later = cli.json("log", letter, "--step", "--after", "5", "--at", "7").data["events"]
    assert later == events[5:7]


def test_steps_make_the_state_they_end_with(cli: Terminal, letter: str) -> None:
    """What is added and taken away over all steps is, together, how the run stands."""
    answer: dict[str, object] = {}
    for event in cli.json("log", letter, "--step").data["events"]:
        for change in event["changes"]:
            answer[change["path"]] = change.get("new")
    assert answer["/run/status"] == "completed"
    assert (answer["/phases/send/attempt"], answer["/phases/send/state"]) == (2, "completed")


def test_at_a_terminal_one_goes_through_a_run_forwards_and_backwards(
    cli: Terminal, letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = iter(["", "p", "n", "5", "what?", "q"])
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)

    def typed(_prompt: str) -> str:
        return next(answer)

    monkeypatch.setattr("builtins.input", typed)
    out = cli("log", letter, "--step").out
    assert [int(found) for found in re.findall(r"^\D*1?m? +(\d+)  2026", out, re.MULTILINE)] == [1, 2, 1, 2, 5, 5]
    assert list(answer) == []


def test_times_of_the_log_are_relative_on_a_terminal_and_exact_where_that_is_asked_for(
    cli: Terminal, letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "2026-11-20T08:00:00Z" in cli("log", letter).out
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    cli.clock.forward(hours=2)
    relative = cli("log", letter).out
    assert "2 h ago" in relative
    assert "2026-11-20T" not in relative
    assert "2026-11-20T08:00:00Z" in cli("log", letter, "--exact").out
    assert cli.json("log", letter).data["events"][0]["at"].startswith("2026-11-20T08:00:00")


def test_a_list_among_the_inputs_of_a_run_is_shown_as_words(cli: Terminal) -> None:
    cli.save(
        {
            "format": "wfe/1",
            "name": "checked",
            "version": "1.0.0",
            "description": "Look at files.",
            "inputs": {"type": "object", "properties": {"files": {"type": "array", "items": {"type": "string"}}}},
            "phases": [{"id": "look", "prompt": "Look.", "output": {"artifact": "note", "schema": {"type": "object"}}}],
        }
    )
    run = cli.start("checked", "--inputs", '{"files": ["spec/**", "checks/*.py"]}')
    assert "  files: spec/**, checks/*.py\n" in cli("show", run).out


def test_the_inputs_of_a_run_are_listed_and_read_whole(cli: Terminal) -> None:
    asked = {"type": "object", "properties": {"depth": {"type": "integer", "default": 2}, "why": {"type": "string"}}}
    cli.save(template("checked", phase("look"), inputs=asked))
    why = "It fails.\nEvery time" + " again" * 50
    run = cli.start("checked", "-i", f"why={why}")

    listed = cli("show", run).out
    assert listed.index("  why: It fails.") < listed.index("  depth: as in the template\n"), "what was given is first"
    assert f"Inputs in full: wfe-mcp artifact show {run} inputs" in listed
    whole = f"  why: It fails.\n  Every time{' again' * 50}\n  depth (as in the template): 2\n"
    assert whole in cli("show", run, "--full").out
    assert cli.json("artifact", "show", run, "inputs").data["content"] == {"why": why, "depth": 2}
    assert cli("artifact", "show", run, "inputs", "--pointer", "/why").out == f"{why}\n"


@pytest.mark.usefixtures("in_git")
def test_an_undo_of_the_start_of_a_phase_has_the_files_that_the_start_saved(cli: Terminal) -> None:
    run = cli.start("letter")
    (cli.root / "kept.txt").write_text("as it was\n")
    started = agent(cli, "start_phase", run=run, phase="draft")
    assert started["ok"], started
    (cli.root / "kept.txt").write_text("changed by the agent\n")
    cli.json("checkpoint", run)
    assert "; the files stay as they are" not in cli("undo", run, "--files", "--dry-run").out
    assert cli("undo", run, "--files", pin=PIN).code == 0
    assert (cli.root / "kept.txt").read_text() == "as it was\n"
