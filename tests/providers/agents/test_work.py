"""A command-line agent executes a task: its input, and each possible end."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.providers.agents.conftest import PLACE, Stub, recorded, task, text_line
from wfe_mcp.jobs.child import ChildNotStarted, ChildResult, run_child
from wfe_mcp.providers.agents import AGENT_KINDS, run_agent
from wfe_mcp.providers.call import (
    Connection,
    Estimate,
    ProviderFault,
    Silent,
    Tool,
    ToolResult,
    Usage,
    Worked,
)
from wfe_mcp.workspace.config.provider_kinds import ProviderKind

kinds = pytest.mark.parametrize("kind", AGENT_KINDS)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and executable scripts are POSIX")

TOOLS: dict[ProviderKind, str] = {"claude-code": "Write", "codex": "shell", "gemini-cli": "write_file"}
USAGES: dict[ProviderKind, Usage] = {
    "claude-code": Usage(2, 40, 40, 6, 10, 0.0011855000000000001),
    "codex": Usage(1, 200, 40, 80, 0, None),
    "gemini-cli": Usage(1, 200, 40, 60, 0, None),
}
BLOCK = {"summary": "ok"}


def work(stub: Stub, connection: Connection, **limits: Any) -> Worked:
    return run_agent(connection, task(**limits), stub.launch(), stub.ear, place=PLACE)


def faulty(stub: Stub, connection: Connection) -> ProviderFault:
    with pytest.raises(ProviderFault) as raised:
        work(stub, connection)
    assert stub.ear.all("after") == [(raised.value.usage, raised.value.kind)]
    return raised.value


def first_line(kind: ProviderKind) -> tuple[str, str]:
    return ("say", recorded(kind, "done")[0])


def tool_line(kind: ProviderKind, call_id: str) -> tuple[str, str]:
    """What the agent prints when it begins to use a tool."""
    command = {"type": "command_execution", "id": call_id, "command": "make", "status": "in_progress"}
    block = {"type": "tool_use", "id": call_id, "name": "Bash", "input": {"command": "make"}}
    records: dict[ProviderKind, dict[str, Any]] = {
        "claude-code": {"type": "assistant", "message": {"content": [block]}},
        "codex": {"type": "item.started", "item": command},
        "gemini-cli": {"type": "tool_use", "tool_name": "run_shell_command", "tool_id": call_id, "parameters": {}},
    }
    return ("say", json.dumps(records[kind]))


@pytest.mark.requirement("S0-42")
@kinds
def test_an_agent_that_prints_its_output_is_done(stub: Stub, kind: ProviderKind) -> None:
    stub.replays(kind, "done")
    worked = work(stub, stub.connection(kind, model="m-1" if kind == "codex" else ""))
    assert (worked.ending, worked.value) == ("done", BLOCK)
    assert worked.usage == USAGES[kind]
    assert worked.text.startswith("Done.") and worked.why == ""
    assert worked.model == {"claude-code": "claude-opus-4-8", "codex": "m-1", "gemini-cli": "gemini-2.5-pro"}[kind]


@kinds
def test_everybody_hears_what_it_says_and_which_tools_it_uses(stub: Stub, kind: ProviderKind) -> None:
    stub.replays(kind, "done")
    work(stub, stub.connection(kind))
    assert [event for event, _ in stub.ear.events] == ["before", "started", "ended", "said", "after"]
    ((started_id, name, given),) = stub.ear.all("started")
    ((ended_id, ended_name, ok, _text),) = stub.ear.all("ended")
    assert (started_id, name, ok) == (ended_id, ended_name, True)
    assert name == TOOLS[kind] and "out.json" in str(given)
    assert stub.ear.all("said") == ['Done.\n\n```json\n{"summary": "ok"}\n```']
    assert stub.ear.all("after") == [(USAGES[kind], None)]
    assert isinstance(stub.ear.all("before")[0], Estimate)


@pytest.mark.requirement("S0-43")
@kinds
def test_the_file_it_was_asked_to_write_counts_before_its_answer(stub: Stub, kind: ProviderKind) -> None:
    stub.replays(kind, "done", ("write", [PLACE, '{"summary": "from the file €"}']))
    worked = work(stub, stub.connection(kind))
    assert worked.value == {"summary": "from the file €"}


@kinds
def test_what_an_earlier_try_left_in_the_file_is_no_output(stub: Stub, kind: ProviderKind) -> None:
    (stub.root / PLACE).parent.mkdir(parents=True)
    (stub.root / PLACE).write_text('{"summary": "old"}')
    stub.plays(text_line(kind, "I did nothing."))
    worked = work(stub, stub.connection(kind))
    assert (worked.ending, worked.value, worked.text) == ("no_answer", None, "I did nothing.")
    assert PLACE in worked.why


@kinds
@pytest.mark.attack("an agent writes the answer of a later one that only reads", "held", "A1")
@pytest.mark.parametrize("said", ['{"summary": "seen"}', "I saw nothing."])
def test_of_an_agent_that_only_reads_its_answer_alone_counts(stub: Stub, kind: ProviderKind, said: str) -> None:
    (stub.root / PLACE).parent.mkdir(parents=True)
    (stub.root / PLACE).write_text('{"summary": "planted"}')
    stub.plays(text_line(kind, said))
    worked = work(stub, stub.connection(kind, fs_ability="local-read"))
    assert worked.value == ({"summary": "seen"} if "seen" in said else None)
    assert PLACE not in worked.why


@kinds
def test_the_prompt_comes_by_standard_input_alone(stub: Stub, kind: ProviderKind) -> None:
    stub.replays(kind, "done")
    work(stub, stub.connection(kind))
    prompt = stub.seen["prompt"]
    assert prompt.startswith("You are careful.\n\nBuild it.")
    assert PLACE in prompt and '"required":["summary"]' in prompt
    assert not any("Build it" in word or "careful" in word for word in stub.seen["argv"])
    assert Path(stub.seen["cwd"]) == stub.root.resolve()


@kinds
def test_an_agent_gets_variables_by_name_and_the_key_that_is_its_own(stub: Stub, kind: ProviderKind) -> None:
    stub.replays(kind, "done")
    source = {
        **os.environ,
        "SECRET": "canary",
        "MINE": "x",
        "AWS_SECRET_ACCESS_KEY": "canary",
    }
    connection = stub.connection(kind, api_key="sk-key", options={"env": ["MINE"]})
    run_agent(connection, task(), stub.launch(source=source), place=PLACE)
    env = stub.seen["env"]
    key = {"claude-code": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY", "gemini-cli": "GEMINI_API_KEY"}[kind]
    assert (env[key], env["MINE"]) == ("sk-key", "x")
    assert "canary" not in env.values()
    assert "sk-key" not in repr(stub.ear.events) + repr(stub.seen["argv"]) + stub.seen["prompt"]


@kinds
@pytest.mark.parametrize(
    ("names", "writes"), [(["read", "git"], False), (["read", "edit"], True), (["bash"], True), ([], True)]
)
def test_a_phase_without_a_tool_that_writes_lets_the_agent_only_read(
    stub: Stub, kind: ProviderKind, names: list[str], writes: bool
) -> None:
    stub.replays(kind, "done")
    tools = tuple(Tool(name, "", {}, lambda _: ToolResult("")) for name in names)
    run_agent(stub.connection(kind), replace(task(), tools=tools), stub.launch(), stub.ear, place=PLACE)
    writing = {"claude-code": "acceptEdits", "codex": "workspace-write", "gemini-cli": "auto_edit"}[kind]
    assert (writing in stub.seen["argv"]) == writes
    assert (f"into the file `{PLACE}`" in stub.seen["prompt"]) == writes


@kinds
def test_all_it_prints_is_logged(stub: Stub, kind: ProviderKind) -> None:
    stub.replays(kind, "done", ("complain", "a warning"))
    work(stub, stub.connection(kind))
    logged = stub.log.read_text(encoding="utf-8")
    assert all(line in logged for line in recorded(kind, "done")) and "a warning" in logged


CASES: list[tuple[ProviderKind, str, str]] = [
    (kind, case, {"logged_out": "wrong_key"}.get(case, case))
    for kind, cases in {
        "claude-code": ["wrong_key", "logged_out", "rate_limited", "wrong_model", "overloaded", "no_route"],
        "codex": ["wrong_key", "rate_limited", "wrong_model", "overloaded"],
        "gemini-cli": ["wrong_key", "wrong_model"],
    }.items()
    for case in cases
]  # type: ignore[misc]


@pytest.mark.parametrize(("kind", "case", "expected"), CASES)
def test_a_failure_of_the_vendor_has_its_kind_and_next_step(
    stub: Stub, kind: ProviderKind, case: str, expected: str
) -> None:
    stub.replays(kind, case, ("exit", 1))
    failed = faulty(stub, stub.connection(kind))
    assert failed.kind == expected
    assert failed.hint and "helper" in failed.message
    assert stub.ear.all("said") == []  # what the program says of itself is no answer of its model


@pytest.mark.parametrize(
    ("answer", "expected", "wait_s"),
    [
        ("Rate limit reached, please try again in 1.5s.", "rate_limited", 1.5),
        ("You've hit your usage limit. Try again in 2h", "rate_limited", 7_200.0),
        ('429 {"details":[{"retryDelay":"34s"}]}', "rate_limited", 34.0),
        ("When using Gemini API, you must specify the GEMINI_API_KEY environment variable.", "wrong_key", None),
        ("Error: self-signed certificate in certificate chain", "tls", None),
        ("stream disconnected before completion: error sending request for url", "no_route", None),
        ("Your credit balance is too low", "refused", None),
        ("503 The model is at capacity, retry after 20 s", "overloaded", 20.0),
        ("panicked at something", "other", None),
    ],
)
@kinds
def test_what_it_only_prints_as_an_error_is_understood_too(
    stub: Stub, kind: ProviderKind, answer: str, expected: str, wait_s: float | None
) -> None:
    stub.plays(first_line(kind), ("complain", answer), ("exit", 1))
    failed = faulty(stub, stub.connection(kind))
    assert (failed.kind, failed.retry_after_s) == (expected, wait_s)
    assert failed.passes == (expected in {"rate_limited", "no_route", "overloaded"})


def test_a_key_that_an_agent_prints_is_not_passed_on(stub: Stub) -> None:
    stub.plays(("complain", "Incorrect API key provided: sk-canary-1"), ("exit", 1))
    failed = faulty(stub, stub.connection("codex", api_key="sk-canary-1"))
    assert failed.kind == "wrong_key" and "canary" not in failed.message + failed.hint


@kinds
def test_an_agent_that_dies_without_a_word_failed_with_its_exit_code(stub: Stub, kind: ProviderKind) -> None:
    stub.plays(("exit", 7))
    failed = faulty(stub, stub.connection(kind))
    assert failed.kind == "other" and "exit code 7" in failed.message


@POSIX
@kinds
def test_an_agent_that_is_killed_in_the_middle_failed(stub: Stub, kind: ProviderKind) -> None:
    stub.plays(first_line(kind), tool_line(kind, "t1"), ("die", None))
    failed = faulty(stub, stub.connection(kind))
    assert failed.kind == "other" and "exit code -9" in failed.message
    ((_, _, ok, text),) = stub.ear.all("ended")
    assert not ok and "had not ended" in text


@kinds
def test_lines_that_are_no_records_are_passed_over(stub: Stub, kind: ProviderKind) -> None:
    *lines, last = recorded(kind, "done")
    odd = [
        "not json",
        '{"type":',
        "[1, 2]",
        "null",
        '{"type": 7}',
        '{"type": "unheard_of"}',
        "",
        "\ud83d\ude00",
        "[" * 50_000,
    ]
    broken = ['{"type":"assistant","message":[]}', '{"type":"item.completed"}', '{"type":"tool_result","tool_id":3}']
    stub.plays(*(("say", line) for line in [*odd, *lines, *broken, last]))
    assert work(stub, stub.connection(kind)).value == BLOCK


def test_a_text_that_never_ends_keeps_its_end(stub: Stub) -> None:
    piece = {"type": "message", "role": "assistant", "content": "x" * 100_000, "delta": True}
    stub.plays(*(("say", json.dumps(piece)) for _ in range(25)), ("say", json.dumps(piece | {"content": "the end"})))
    worked = work(stub, stub.connection("gemini-cli"))
    assert worked.text.endswith("xthe end")
    assert len(worked.text) <= 2_000_000


def test_counts_and_costs_that_no_call_can_have_end_no_work(stub: Stub) -> None:
    *lines, last = recorded("claude-code", "done")
    counts = {
        "input_tokens": 10**30,
        "output_tokens": -5,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
    }
    odd = json.loads(last) | {"total_cost_usd": 10**400, "num_turns": 10**12, "usage": counts}
    stub.plays(*(("say", line) for line in [*lines, json.dumps(odd)]))
    assert work(stub, stub.connection("claude-code")).usage == Usage(2**31 - 1, 2**31 - 1, 0, 0, 0, None)


@pytest.mark.requirement("S1-09")
def test_time_that_is_over_leaves_what_was_said(stub: Stub) -> None:
    stub.plays(first_line("codex"), text_line("codex", "Half of it"), ("sleep", 600))
    worked = work(stub, stub.connection("codex"), total_s=5.0)
    assert (worked.ending, worked.text, worked.value) == ("timed_out", "Half of it", None)
    assert "5 s" in worked.why
    assert not psutil.pid_exists(stub.seen["pid"])


@kinds
def test_silence_ends_the_work(stub: Stub, kind: ProviderKind) -> None:
    stub.plays(text_line(kind, "Thinking"), ("sleep", 600))
    launch = stub.launch(clock=lambda: 1_000.0 if stub.ear.all("said") else 0.0)
    worked = run_agent(stub.connection(kind, response_s=900.0), task(), launch, stub.ear, place=PLACE)
    assert (worked.ending, worked.text) == ("timed_out", "Thinking")
    assert "printed nothing for 900 s" in worked.why
    assert not psutil.pid_exists(stub.seen["pid"])


@kinds
def test_silence_while_a_tool_runs_is_none(stub: Stub, kind: ProviderKind) -> None:
    stub.plays(tool_line(kind, "t1"), ("sleep", 0.5), ("exit", 0))
    launch = stub.launch(clock=lambda: 1_000.0 if stub.ear.all("started") else 0.0)
    worked = run_agent(stub.connection(kind, response_s=900.0), task(), launch, stub.ear, place=PLACE)
    assert worked.ending == "no_answer"


@kinds
def test_a_stop_ends_the_agent(stub: Stub, kind: ProviderKind) -> None:
    stub.plays(text_line(kind, "Half of it"), ("sleep", 600))
    connection = stub.connection(kind)
    worked = run_agent(connection, task(), stub.launch(), stub.ear, lambda: bool(stub.ear.all("said")), place=PLACE)
    assert (worked.ending, worked.text) == ("cancelled", "Half of it")
    assert not psutil.pid_exists(stub.seen["pid"])
    assert len(stub.ear.all("after")) == 1


@kinds
def test_too_many_tool_calls_end_the_agent(stub: Stub, kind: ProviderKind) -> None:
    stub.plays(text_line(kind, "Busy"), *(tool_line(kind, f"t{number}") for number in range(4)), ("sleep", 600))
    worked = work(stub, stub.connection(kind), tool_calls=3)
    assert (worked.ending, worked.text) == ("tool_limit", "Busy")
    assert len(stub.ear.all("started")) == len(stub.ear.all("ended")) == 4


def test_a_limit_of_its_own_ends_the_work_without_output(stub: Stub) -> None:
    stub.replays("claude-code", "tool_limit", ("exit", 1))
    worked = work(stub, stub.connection("claude-code"))
    assert (worked.ending, worked.value, worked.usage.requests) == ("tool_limit", None, 2)


@kinds
def test_an_agent_that_is_not_installed_says_how_to_install_it(stub: Stub, kind: ProviderKind) -> None:
    with pytest.raises(ProviderFault) as raised:
        work(stub, stub.connection(kind, argv=("no-such-agent-program",)))
    assert raised.value.kind == "not_installed"
    assert "no-such-agent-program" in raised.value.message and "npm install -g" in raised.value.hint
    assert stub.ear.events == []  # nothing was called


@POSIX
@pytest.mark.parametrize(("kind", "name"), [("claude-code", "claude"), ("codex", "codex"), ("gemini-cli", "gemini")])
def test_an_agent_is_found_by_its_usual_name(stub: Stub, kind: ProviderKind, name: str) -> None:
    stub.replays(kind, "done")
    program = stub.folder / name
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stub.program}" "$@"\n')
    program.chmod(0o755)
    source = {**os.environ, "PATH": f"{stub.folder}{os.pathsep}{os.environ['PATH']}"}
    assert run_agent(stub.connection(kind, argv=()), task(), stub.launch(source=source), place=PLACE).ending == "done"


@kinds
def test_an_unknown_option_is_refused_with_the_nearest(stub: Stub, kind: ProviderKind) -> None:
    with pytest.raises(ProviderFault) as raised:
        work(stub, stub.connection(kind, options={"add_dir": ["x"], "sandbx": "y"}))
    assert raised.value.kind == "not_configured" and "add_dir" in raised.value.message


def test_other_kinds_are_no_agents(stub: Stub) -> None:
    with pytest.raises(ProviderFault) as raised:
        work(stub, Connection("p", "anthropic"))
    assert raised.value.kind == "not_configured"


@kinds
def test_a_call_that_is_not_allowed_is_not_made(stub: Stub, kind: ProviderKind) -> None:
    class Capped(Silent):
        def before_call(self, connection: Connection, estimate: Estimate) -> None:
            raise RuntimeError("over the cap")

    stub.plays()
    with pytest.raises(RuntimeError, match="over the cap"):
        run_agent(stub.connection(kind), task(), stub.launch(), Capped(), place=PLACE)
    assert not (stub.folder / "seen.json").exists()


def test_what_ends_the_job_goes_through_and_is_reported_once(stub: Stub) -> None:
    def refuse(*_: object, **__: object) -> ChildResult:
        raise ChildNotStarted("no more processes")

    with pytest.raises(ChildNotStarted):
        run_agent(stub.connection("codex"), task(), stub.launch(refuse), stub.ear, place=PLACE)
    assert stub.ear.all("after") == [(Usage(requests=1), "stopped")]


@POSIX
def test_a_link_in_place_of_the_output_is_not_followed(stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"summary": "secret"}')
    stub.plays()

    def link(*args: Any, **options: Any) -> ChildResult:
        result = run_child(*args, **options)
        (stub.root / PLACE).symlink_to(tmp_path / "secret.json")
        return result

    worked = run_agent(stub.connection("codex"), task(), stub.launch(link), place=PLACE)
    assert (worked.ending, worked.value) == ("no_answer", None)
