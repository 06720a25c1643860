"""The script that clients run as a hook, started as they start it, on real runs. The inputs were recorded from the clients."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import CHECK, HUMAN, Terminal, phase, template
from wfe_mcp.clients.wfe_hook import open_runs
from wfe_mcp.core.model import By
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.phases.claim import start_phase
from wfe_mcp.workspace.system.location import data_dir, project_at

HOOK = "import sys;sys.path.append({folder!r});from wfe_hook.entry import main;main()"
FOLDER = str(Path(open_runs.__file__).parents[1])
clients = pytest.mark.parametrize("client", ["claude-code", "codex", "gemini-cli"])

COMMON: dict[str, dict[str, Any]] = {
    "claude-code": {
        "session_id": "a2e4",
        "transcript_path": "/t.jsonl",
        "prompt_id": "p",
        "permission_mode": "bypassPermissions",
    },
    "codex": {
        "session_id": "01f9",
        "transcript_path": None,
        "turn_id": "1",
        "model": "gpt-5.5",
        "permission_mode": "default",
    },
    "gemini-cli": {"session_id": "77b0", "transcript_path": "/t.json", "timestamp": "2026-11-21T08:00:00.000Z"},
}
NAMES: dict[str, dict[str, str]] = {
    "claude-code": {"before": "PreToolUse", "after": "PostToolUse", "stop": "Stop"},
    "codex": {"before": "PreToolUse", "after": "PostToolUse", "stop": "Stop"},
    "gemini-cli": {"before": "BeforeTool", "after": "AfterTool", "stop": "AfterAgent"},
}
WRITE: dict[str, dict[str, Any]] = {
    "claude-code": {
        "tool_name": "Write",
        "tool_input": {"file_path": "{root}/a.txt", "content": "x"},
        "tool_use_id": "toolu_1",
    },
    "codex": {
        "tool_name": "apply_patch",
        "tool_input": {"command": "*** Begin Patch\n*** Add File: a.txt\n+x\n*** End Patch"},
        "tool_use_id": "call_1",
    },
    "gemini-cli": {"tool_name": "write_file", "tool_input": {"file_path": "{root}/a.txt", "content": "x"}},
}
SHELL: dict[str, str] = {"claude-code": "Bash", "codex": "Bash", "gemini-cli": "run_shell_command"}


def hooked(cli: Terminal, client: str, event: str, sent: str | None = None, /, **more: Any) -> dict[str, Any]:
    """What the hook answers; ``{}`` for silence. It always ends with 0 and says nothing on standard error."""
    payload = {**COMMON[client], "cwd": str(cli.root), "hook_event_name": event, **more}
    given = json.dumps(payload).replace("{root}", json.dumps(str(cli.root))[1:-1]) if sent is None else sent
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", HOOK.format(folder=FOLDER), client],
        input=given.encode(),
        capture_output=True,
        check=False,
        cwd=cli.root,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    return cli.hear(json.loads(ran.stdout)) if ran.stdout else {}


def reason(client: str, answer: dict[str, Any]) -> str:
    """Why the client refuses a call; empty: it does not."""
    if client == "gemini-cli":
        return str(answer.get("reason", "")) if answer.get("decision") == "deny" else ""
    inner: dict[str, str] = answer.get("hookSpecificOutput", {})
    return inner["permissionDecisionReason"] if inner.get("permissionDecision") == "deny" else ""


def writing(cli: Terminal, client: str) -> str:
    return reason(client, hooked(cli, client, NAMES[client]["before"], **WRITE[client]))


def shell(cli: Terminal, client: str, command: str) -> str:
    call = {"tool_name": SHELL[client], "tool_input": {"command": command}}
    return reason(client, hooked(cli, client, NAMES[client]["before"], **call))


def begin(cli: Terminal, run: str, name: str | None = None) -> None:
    """What the client's call of start_phase does."""
    with closing(create_engine(project_at(cli.root), environment=dict(os.environ))) as engine:
        start_phase(engine, By(), run, name)


def log(cli: Terminal) -> str:
    file = cli.database.parent / "hooks" / "hook.log"
    return file.read_text() if file.exists() else ""


@clients
def test_without_an_open_run_every_event_is_silent_and_leaves_no_trace(cli: Terminal, client: str) -> None:
    for event in ("SessionStart", *NAMES[client].values(), "PreCompress", "BeforeAgent", "Unheard"):
        assert hooked(cli, client, event, source="startup", stop_hook_active=False, **WRITE[client]) == {}
    assert shell(cli, client, "wfe-mcp approve r1 x; echo x > a") == ""
    assert not (cli.database.parent / "hooks").exists()


@clients
def test_an_edit_and_a_redirection_outside_an_open_phase_are_refused_until_the_phase_starts(
    cli: Terminal, client: str
) -> None:
    run = cli.start("note")
    for lines in (writing(cli, client), shell(cli, client, "echo x > a.txt")):
        assert lines.startswith(f"No phase of run {run} is open, so ")
        assert lines.endswith(f"To work without these limits, the user runs: wfe-mcp pause {run}")
    assert shell(cli, client, "cat a.txt") == ""
    begin(cli, run)
    assert (writing(cli, client), shell(cli, client, "echo x > a.txt")) == ("", "")


@clients
def test_the_tools_of_the_open_phase_are_held(cli: Terminal, client: str) -> None:
    cli.save(template("look", phase("draft", tools_allowed=["read", "search"])))
    begin(cli, run := cli.start("look"))
    assert writing(cli, client).startswith(f"Phase 'draft' of run {run} allows only read, search: ")
    assert "changes" in shell(cli, client, "sed -i s/a/b/ a.txt")
    assert "'npm test' is none of them" in shell(cli, client, "npm test")
    assert shell(cli, client, "grep -rn x .") == ""


def test_the_tools_of_a_phase_inside_a_loop_and_the_defaults_are_held(cli: Terminal) -> None:
    loop = {
        "id": "each",
        "kind": "loop",
        "for_each": {"in": "${[{'id': 'a'}]}", "as": "one"},
        "phases": [phase("look", tools_allowed=["read"])],
    }
    cli.save(template("loops", loop))
    begin(cli, cli.start("loops"))
    assert "Phase 'each[a].look'" in writing(cli, "claude-code")
    cli("cancel", cli.json("list").data["runs"][0]["run"])
    cli.save(template("usual", phase("draft"), defaults={"tools_allowed": ["search"]}))
    begin(cli, cli.start("usual"))
    assert "allows only search" in writing(cli, "claude-code")


@pytest.mark.parametrize(
    ("own", "defaults", "wanted"), [(["read"], ["search"], "read"), (None, ["search"], "search"), (None, None, "")]
)
def test_a_phase_inside_another_template_has_its_own_tools_or_the_defaults_of_that_template(
    cli: Terminal, own: list[str] | None, defaults: list[str] | None, wanted: str
) -> None:
    look = phase("look", **({"tools_allowed": own} if own else {}))
    cli.save(template("inner", look, **({"defaults": {"tools_allowed": defaults}} if defaults else {})))
    flow = {"id": "inside", "kind": "flow", "template": "inner"}
    loop = {"id": "each", "kind": "loop", "for_each": {"in": "${[{'id': 'a'}]}", "as": "one"}, "phases": [flow]}
    for name, outer, path in (("outer", flow, "inside[1].look"), ("outest", loop, "each[a].inside[1].look")):
        cli.save(template(name, outer, defaults={"tools_allowed": ["edit"]}))
        run = cli.start(name)
        begin(cli, run)
        answer = writing(cli, "claude-code")
        assert answer.startswith(f"Phase {path!r} of run {run} allows only {wanted}: " if wanted else "")
        assert bool(answer) is bool(wanted)
        cli("cancel", run)


def test_a_patch_in_the_shell_names_its_files_and_what_names_none_changes_the_project(cli: Terminal) -> None:
    cli.start("note")
    patch = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: {}\n+x\n*** End Patch\nEOF"
    assert ", so src/a.py is not changed. " in shell(cli, "codex", patch.format("src/a.py"))
    assert shell(cli, "codex", patch.format("/tmp/notes.txt")) == ""
    for command in ("git stash", "apply_patch < x.patch", "patch -p1 < x.patch"):
        assert ", so the project is not changed. " in shell(cli, "codex", command)


def test_the_tools_of_a_recovery_are_held(cli: Terminal) -> None:
    cli.save(template("mend", phase("diagnose", tools_allowed=["read"])))
    cli.save(template("careful", phase("code", CHECK, on_fail=[{"do": "subflow", "template": "mend"}])))
    run = cli.start("careful")
    cli.submit_work(run, "code")
    begin(cli, run)
    answer = writing(cli, "claude-code")
    assert (".diagnose'" in answer, "allows only read" in answer) == (True, True), cli.json("status", run).document


@clients
def test_a_decision_and_an_edit_of_the_database_are_refused_to_the_shell_of_the_client(
    cli: Terminal, client: str
) -> None:
    begin(cli, cli.start("letter"))
    assert "wfe-mcp approve is for the user alone. [needs_human]" in shell(
        cli, client, "echo 1 | wfe-mcp approve r x --pin-fd 0"
    )
    for file in (cli.database, cli.database.parent / "keys" / "a.json", data_dir() / "x"):
        assert "belongs to wfe-mcp" in shell(cli, client, f"rm {file}")


@clients
def test_paused_or_waiting_for_the_user_a_run_is_silent(cli: Terminal, client: str) -> None:
    run = cli.start("note")
    assert writing(cli, client)
    cli("pause", run)
    assert (writing(cli, client), hooked(cli, client, "SessionStart", source="startup")) == ("", {})
    waits = cli.start("letter")
    assert writing(cli, client)
    cli.submit_work(waits, "draft")
    cli.submit_work(waits, "send")
    assert cli.state(waits) == "waiting"
    assert writing(cli, client) == ""
    assert hooked(cli, client, NAMES[client]["stop"], stop_hook_active=False) == {}


def test_a_run_of_another_working_tree_is_silent_here(cli: Terminal, tmp_path: Path) -> None:
    cli.start("note")
    inside = cli.root / "vendor" / "other"
    (inside / ".git").mkdir(parents=True)
    (cli.root / "src").mkdir()
    for folder, is_held in ((inside, False), (tmp_path, False), (cli.root / "src", True)):
        call = {"tool_name": "Bash", "tool_input": {"command": "echo x > a"}}
        assert bool(hooked(cli, "claude-code", "PreToolUse", cwd=str(folder), **call)) is is_held


def test_a_phase_that_the_server_or_the_user_works_on_is_silent(cli: Terminal) -> None:
    cli.save(template("form", phase("ask", kind="human")))
    cli.start("form")
    assert writing(cli, "claude-code") == ""


@clients
@pytest.mark.parametrize("source", ["startup", "resume", "compact"])
def test_a_session_that_starts_or_was_compacted_hears_where_the_run_is(cli: Terminal, client: str, source: str) -> None:
    run = cli.start("note")
    inner = hooked(cli, client, "SessionStart", source=source)["hookSpecificOutput"]
    assert inner["hookEventName"] == "SessionStart"
    assert inner["additionalContext"] == (
        f"wfe-mcp: run {run} (note: A note) is open in this project. Phase draft attempt 1 of run {run}: ready, call start_phase. "
        "Call the wfe tool status first: it has the current state and the next call."
    )


def test_gemini_hears_it_with_the_first_prompt_after_a_compression(cli: Terminal) -> None:
    cli.start("note")
    assert hooked(cli, "gemini-cli", "BeforeAgent", prompt="go on") == {}
    assert hooked(cli, "gemini-cli", "PreCompress", trigger="auto") == {}
    answer = hooked(cli, "gemini-cli", "BeforeAgent", prompt="go on")["hookSpecificOutput"]
    assert "is open in this project" in answer["additionalContext"]
    assert hooked(cli, "gemini-cli", "BeforeAgent", prompt="go on") == {}


@clients
def test_at_the_end_of_a_turn_the_client_is_asked_once_to_finish_or_hand_off(cli: Terminal, client: str) -> None:
    run = cli.start("note")
    stop = NAMES[client]["stop"]
    assert hooked(cli, client, stop, stop_hook_active=True) == {}
    answer = hooked(cli, client, stop, stop_hook_active=False)
    assert answer["decision"] == ("deny" if client == "gemini-cli" else "block")
    assert (
        f"Run {run} is still open: phase 'draft', attempt 1, is ready. Finish it with submit_artifact"
        in answer["reason"]
    )
    assert answer["reason"].endswith(f"wfe-mcp pause {run}")
    assert hooked(cli, client, stop, stop_hook_active=False) == {}
    assert hooked(cli, client, stop, stop_hook_active=False, session_id="another") != {}


@clients
@pytest.mark.parametrize("text", ["", "garbage", "[]", "null", "\x00\xff", "{" * 5000])
def test_what_is_not_expected_is_silence_and_a_line_in_the_log(cli: Terminal, client: str, text: str) -> None:
    cli.start("note")
    assert hooked(cli, client, "", text) == {}
    assert log(cli).count("\n") == 1


@pytest.mark.parametrize("given", [None, 5, "text", [1], {"command": None}, {"command": ["a", 1]}, {"file_path": 7}])
def test_an_unknown_form_of_arguments_breaks_nothing(cli: Terminal, given: object) -> None:
    cli.start("note")
    for tool in ("Write", "Bash", "apply_patch", "Unheard"):
        hooked(cli, "claude-code", "PreToolUse", tool_name=tool, tool_input=given)
    assert log(cli) == ""


def test_a_database_that_cannot_be_read_is_silence_and_a_line_in_the_log(cli: Terminal) -> None:
    cli.database.write_bytes(b"no database" * 100)
    assert writing(cli, "claude-code") == ""
    assert "file is not a database" in log(cli)


def test_the_log_does_not_grow_without_end(cli: Terminal) -> None:
    (cli.database.parent / "hooks").mkdir()
    (cli.database.parent / "hooks" / "hook.log").write_bytes(b"x" * 1_000_001)
    hooked(cli, "claude-code", "", "garbage")
    assert len(log(cli)) < 200


def test_another_kind_of_database_is_silence(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.start("note")
    for url in ("postgresql://x/y", "sqlite://", "sqlite:///relative.db"):
        monkeypatch.setenv("WFE_DATABASE_URL", url)
        assert writing(cli, "claude-code") == ""


def test_before_the_user_approved_the_prompt_the_phase_is_no_work_of_the_client(cli: Terminal) -> None:
    cli.save(template("first", phase("draft", prompt_gates=[HUMAN])))
    cli.start("first")
    assert writing(cli, "claude-code") == ""


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("xdg", ["", "/xdg", "relative"])
def test_the_data_lies_where_wfe_mcp_keeps_it(platform: str, xdg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs.macos
    import platformdirs.unix

    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, "/home/me")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    monkeypatch.setenv("XDG_DATA_HOME", xdg)
    found = Path(open_runs.data_folder(dict(os.environ), platform))
    if platform == "win32":
        assert found == Path("/local", "wfe-mcp")
        return
    dirs = platformdirs.unix.Unix if platform == "linux" else platformdirs.macos.MacOS
    assert found == Path(dirs("wfe-mcp", appauthor=False).user_data_dir)


def test_without_a_variable_the_database_is_that_of_the_platform(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WFE_DATABASE_URL")
    assert open_runs.database(dict(os.environ)) == str(data_dir() / "wfe.db")
    assert writing(cli, "claude-code") == ""


def test_the_script_uses_the_standard_library_alone_and_neither_json_nor_re(cli: Terminal) -> None:
    begin(cli, cli.start("note"))
    code = HOOK.format(folder=FOLDER).replace(";main()", "") + (
        ";import os;from wfe_hook.entry import answer;"
        "print(bool(answer('claude-code', sys.stdin.read(), dict(os.environ))));"
        "print(sorted({'json', 're', 'sqlite3', 'wfe_mcp', 'pathlib', 'typing', 'site'} & sys.modules.keys()))"
    )
    payload = {
        "cwd": str(cli.root),
        "hook_event_name": "PreToolUse",
        "tool_name": "Bash",
        "tool_input": {"command": "wfe-mcp approve x"},
    }
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], input=json.dumps(payload), capture_output=True, text=True, check=True
    )
    assert ran.stdout.split("\n") == ["True", "[]", ""]


AFTER: dict[str, dict[str, Any]] = {
    "claude-code": {"tool_response": {"type": "create", "filePath": "a.txt"}, "duration_ms": 12},
    "codex": {"tool_response": "Success. Updated the following files:\nA a.txt\n"},
    "gemini-cli": {"tool_response": {"llmContent": "Successfully created a.txt", "returnDisplay": {}}},
}


@pytest.mark.requirement("S1-21")
@clients
def test_the_tool_calls_of_the_client_are_shown_with_the_attempt(cli: Terminal, client: str) -> None:
    begin(cli, run := cli.start("note"))
    after = NAMES[client]["after"]
    assert hooked(cli, client, after, **WRITE[client], **AFTER[client]) == {}
    assert hooked(cli, client, after, tool_name="mcp__wfe__status", tool_input={}, tool_response="{}") == {}
    (shown,) = cli.json("show", run, "--tools").data["attempts"]
    (call,) = shown["tool_calls"]
    assert (call["tool"], call["ok"], call.get("ms")) == (
        WRITE[client]["tool_name"],
        True,
        12 if client == "claude-code" else None,
    )
    assert "a.txt" in json.dumps(call["input"]) and "a.txt" in call["output"]
    assert f"1. {call['tool']} ok" in cli("show", run, "--tools").out
    assert cli("verify", run).code == 0


def test_a_failed_call_and_one_that_is_too_long_are_recorded_too(cli: Terminal) -> None:
    begin(cli, run := cli.start("note"))
    hooked(cli, "claude-code", "PostToolUseFailure", tool_name="Bash", tool_input={"command": "x"}, error="Exit code 1")
    hooked(cli, "claude-code", "PostToolUse", tool_name="Read", tool_input={}, tool_response="x" * 1_100_000)
    calls = cli.json("show", run, "--tools").data["attempts"][0]["tool_calls"]
    assert [(one["tool"], one["ok"], one.get("output", "")) for one in calls] == [
        ("Bash", False, "Exit code 1"),
        ("Read", True, ""),
    ]


def test_outside_a_running_phase_no_call_is_recorded(cli: Terminal) -> None:
    run = cli.start("note")
    hooked(cli, "claude-code", "PostToolUse", **WRITE["claude-code"], **AFTER["claude-code"])
    assert cli.json("show", run, "--tools").data["attempts"][0].get("tool_calls", []) == []
