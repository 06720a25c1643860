"""The tool calls of a client: files that its hooks leave become rows of the attempt."""

import json
import logging
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import Scene, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.models.call_log import record_client_calls
from wfe_mcp.store.records.calls import ToolCallRecord
from wfe_mcp.workspace.system.redaction import hide

EVENT: dict[str, Any] = {
    "hook_event_name": "PostToolUse",
    "tool_name": "Write",
    "tool_input": {"file_path": "a.txt"},
    "tool_response": {"type": "create"},
    "duration_ms": 12,
}


def folder(scene: Scene) -> Path:
    found = scene.engine.store.place.parent / "hooks" / "calls"
    found.mkdir(parents=True, exist_ok=True)
    return found


def left(scene: Scene, run: str, name: str = "1-2", text: str | None = None, **event: Any) -> Path:
    """A file as a hook leaves it."""
    file = folder(scene) / f"{name}.json"
    call = {
        "run": run,
        "phase": "plan",
        "attempt": 1,
        "client": "claude-code",
        "at": 1_800_000_000.5,
        "event": EVENT | event,
    }
    file.write_text(json.dumps(call) if text is None else text)
    return file


def rows(scene: Scene, run: str) -> list[ToolCallRecord]:
    with scene.engine.store.read() as tx:
        return tx.tool_calls.filter(RunId(run))


def test_a_call_becomes_a_row_and_its_file_is_removed(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    file = left(scene, run)
    assert record_client_calls(scene.engine) == 1
    (row,) = rows(scene, run)
    assert (row.id, row.phase, row.attempt, row.name, row.ok, row.duration_ms) == (
        "tool-1-2",
        "plan",
        1,
        "Write",
        True,
        12,
    )
    assert (row.input, row.output) == ({"file_path": "a.txt"}, '{"type": "create"}')
    assert row.started_at == datetime.fromtimestamp(1_800_000_000.488, UTC)
    assert not file.exists()
    assert record_client_calls(scene.engine) == 0


def test_a_file_that_is_read_again_after_a_crash_is_still_one_row(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    left(scene, run)
    record_client_calls(scene.engine)
    left(scene, run)
    record_client_calls(scene.engine)
    assert len(rows(scene, run)) == 1


def test_processes_that_record_at_once_make_one_row_of_each_call(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    for number in range(40):
        left(scene, run, f"{number}-1")
    workers = [threading.Thread(target=record_client_calls, args=(scene.engine,)) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(60)
    assert len(rows(scene, run)) == 40
    assert not [*folder(scene).iterdir()]


@pytest.mark.parametrize(
    ("event", "ok", "output"),
    [
        ({"hook_event_name": "PostToolUseFailure", "tool_response": "", "error": "no"}, False, ""),
        ({"tool_response": {"error": "no"}}, False, '{"error": "no"}'),
        ({"tool_response": {"isError": True}}, False, '{"isError": true}'),
        ({"tool_response": "text"}, True, "text"),
        ({"tool_response": ["a"], "duration_ms": None}, True, '["a"]'),
        ({"tool_input": "raw", "tool_name": None}, True, '{"type": "create"}'),
        ({"duration_ms": -5}, True, '{"type": "create"}'),
    ],
)
def test_each_client_reports_a_failure_in_its_way(scene: Scene, event: dict[str, Any], ok: bool, output: str) -> None:
    run = scene.start(phase("plan"))
    left(scene, run, **event)
    record_client_calls(scene.engine)
    (row,) = rows(scene, run)
    assert (row.ok, row.output) == (ok, output)
    assert row.name == ("unknown" if "tool_name" in event else "Write")


@pytest.mark.parametrize(
    "text",
    ["", "garbage", "[]", "{}", '{"run": "x", "phase": "p", "attempt": 1, "at": 1, "event": 5}', "[" * 200_000],
    ids=["empty", "no JSON", "a list", "no keys", "no event", "too deep"],
)
def test_what_is_no_call_is_removed_and_logged(scene: Scene, text: str, caplog: pytest.LogCaptureFixture) -> None:
    run = scene.start(phase("plan"))
    file = left(scene, run, text=text)
    left(scene, run, "2-2")
    with caplog.at_level(logging.WARNING):
        assert record_client_calls(scene.engine) == 1
    assert "1-2.json holds no tool call and was removed" in caplog.text
    assert not file.exists()


def test_a_call_of_an_attempt_that_does_not_exist_is_removed_and_logged(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.start(phase("plan"))
    left(scene, "forged")
    with caplog.at_level(logging.WARNING):
        assert record_client_calls(scene.engine) == 0
    assert "is about an attempt that does not exist" in caplog.text


def test_a_file_that_is_not_complete_yet_is_left(scene: Scene) -> None:
    scene.start(phase("plan"))
    (folder(scene) / "1-2").write_text('{"run"')
    assert record_client_calls(scene.engine) == 0
    assert (folder(scene) / "1-2").exists()


def test_a_known_secret_is_not_stored(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    hide("sk-client-call-secret")
    left(scene, run, tool_input={"command": "curl -H sk-client-call-secret"}, tool_response="sk-client-call-secret")
    record_client_calls(scene.engine)
    (row,) = rows(scene, run)
    assert "sk-client-call-secret" not in f"{row.input} {row.output}"


def test_a_commit_of_the_run_records_what_the_client_did_before_it(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    left(scene, run)
    scene.submit(run, "plan")
    assert len(rows(scene, run)) == 1


def test_notes_about_old_sessions_are_removed(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    sessions = folder(scene).parent / "sessions"
    sessions.mkdir()
    for name, days in (("old", 8), ("new", 6)):
        (sessions / name).write_text("")
        at = (scene.engine.clock() - timedelta(days=days)).timestamp()
        os.utime(sessions / name, (at, at))
    left(scene, run)
    record_client_calls(scene.engine)
    assert [each.name for each in sessions.iterdir()] == ["new"]


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_note_that_another_process_has_just_removed_stops_no_one(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    left(scene, run)
    sessions = folder(scene).with_name("sessions")
    sessions.mkdir()
    (sessions / "gone").symlink_to(sessions / "nowhere")  # listed, and not there when it is looked at
    assert record_client_calls(scene.engine) == 1
