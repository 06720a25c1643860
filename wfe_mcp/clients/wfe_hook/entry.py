"""What a client's hook does: reads the event, looks for an open run, answers. It never fails and never blocks a client.

    event ──► no run that enforces ──► silence
          └─► before a tool ──► refusal or silence        after a tool ──► a file for the record of tool calls
              session start, after compaction ──► where the run is        end of a turn ──► ask once to finish or hand off

1. Anything unexpected is silence, exit 0, and a line in ``hooks/hook.log`` beside the database.
2. The database is read, never written. What is to be recorded is a file beside it, which wfe-mcp takes in.
"""

import os
import sys
import time

from .open_runs import data_folder, database, open_work, top_of
from .plain_json import parse_json, quote_json, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .open_runs import Work

_BEFORE, _AFTER = ("PreToolUse", "BeforeTool"), ("PostToolUse", "PostToolUseFailure", "AfterTool")
_START, _STOP, _COMPACTING, _PROMPT = ("SessionStart",), ("Stop", "AfterAgent"), ("PreCompress",), ("BeforeAgent",)
_LOG_BYTES = 1_000_000
_RECORD_CHARS = 1_000_000


def main() -> None:
    """Read an event on standard input, answer on standard output. The first argument names the client."""
    env = dict(os.environ)
    try:
        client = sys.argv[1] if len(sys.argv) > 1 else ""
        reply = answer(client, sys.stdin.buffer.read().decode("utf-8", "replace"), env)
        if reply:
            sys.stdout.write(reply)
            sys.stdout.flush()
    except BaseException as fault:
        _log(env, f"{type(fault).__name__}: {fault}")
    os._exit(0)  # nothing is left to do; a normal end takes 3 ms more


def answer(client: str, text: str, env: "dict[str, str]") -> str:
    """The answer to one event; empty: nothing to say. Raises what it did not expect."""
    event = parse_json(text)
    name, cwd = str(event.get("hook_event_name", "")), str(event.get("cwd") or os.getcwd())
    file = database(env)
    if not file:
        return ""
    tops = top_of(cwd)
    works = open_work(file, tops)
    if not works:
        return ""
    folder = os.path.join(os.path.dirname(file), "hooks")
    session = _word(str(event.get("session_id", "")))
    if name in _BEFORE:
        return _before(client, event, works, _place(cwd, works[0].worktree, file, env))
    if name in _AFTER:
        _record(client, name, event, text, works, folder)
        return ""
    if name in _START:
        return _context(name, describe_open_runs(works))
    if name in _COMPACTING:
        _mark(folder, f"compacted-{session}")
    if name in _PROMPT:
        return _context(name, describe_open_runs(works)) if _unmark(folder, f"compacted-{session}") else ""
    if name in _STOP and not event.get("stop_hook_active"):
        return _stop(client, works, folder, session)
    return ""


def describe_open_runs(works: "list[Work]") -> str:
    """Where the open runs are, and the next call, for a model that has forgotten or never knew."""
    lines = [f"wfe-mcp: run {works[0].run} ({works[0].template}: {works[0].title[:100]}) is open in this project."]
    lines += [
        f"Phase {work.phase} attempt {work.attempt} of run {work.run}: {_STATES[work.status]}." for work in works[:5]
    ]
    return " ".join([*lines, "Call the wfe tool status first: it has the current state and the next call."])


_STATES = {
    "ready": "ready, call start_phase",
    "running": "running; start_phase returns its prompt and feedback again, submit_artifact finishes it",
    "gating": "its gates are checking, call status with wait_s",
}


def _before(client: str, event: "dict[str, Any]", works: "list[Work]", place: "Any") -> str:
    from .rules import refusal

    arguments: Any = event.get("tool_input")
    if not isinstance(arguments, dict):
        arguments = {"input": arguments if isinstance(arguments, str) else ""}
    why = refusal(str(event.get("tool_name", "")), arguments, works, place)  # pyright: ignore[reportUnknownArgumentType]
    if not why:
        return ""
    if client == "gemini-cli":
        return write_json({"decision": "deny", "reason": why})
    return write_json(
        {
            "hookSpecificOutput": {
                "hookEventName": str(event["hook_event_name"]),
                "permissionDecision": "deny",
                "permissionDecisionReason": why,
            }
        }
    )


def _place(cwd: str, top: str, file: str, env: "dict[str, str]") -> "Any":
    from .rules import Place

    home = env.get("HOME") or env.get("USERPROFILE") or ""
    beside = os.path.dirname(file)
    kept = [file, *(os.path.join(beside, folder) for folder in ("keys", "hooks")), data_folder(env)]
    return Place(cwd, top, [os.path.realpath(path) for path in kept], home)


def _record(client: str, name: str, event: "dict[str, Any]", text: str, works: "list[Work]", folder: str) -> None:
    """One file per call, complete when its name ends in ``.json``: a killed process leaves no partial one."""
    from .rules import is_ours

    running = [phase_work for phase_work in works if phase_work.status == "running"]
    if not running or is_ours(str(event.get("tool_name", ""))):
        return
    work = running[0]
    payload = (
        text.strip()
        if len(text) <= _RECORD_CHARS
        else write_json(
            {
                "hook_event_name": name,
                "tool_name": str(event.get("tool_name", "")),
                "tool_use_id": str(event.get("tool_use_id", "")),
            }
        )
    )
    head = f'"run": {quote_json(work.run)}, "phase": {quote_json(work.phase)}, "attempt": {work.attempt}, "client": {quote_json(client)}'
    place = os.path.join(folder, "calls")
    os.makedirs(place, mode=0o700, exist_ok=True)
    path = os.path.join(place, f"{time.time_ns()}-{os.getpid()}")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
        stream.write(f'{{{head}, "at": {time.time():.3f}, "event": {payload}}}')
    os.rename(path, f"{path}.json")


def _stop(client: str, works: "list[Work]", folder: str, session: str) -> str:
    """Asked once per session and attempt; not while gates work."""
    mine = next((work for work in works if work.status != "gating"), None)
    if mine is None or not _mark(folder, f"asked-{session}-{_word(mine.run)}-{_word(mine.phase)}-{mine.attempt}"):
        return ""
    why = (
        f"Run {mine.run} is still open: phase {mine.phase!r}, attempt {mine.attempt}, is {mine.status}. Finish it with "
        "submit_artifact, or tell the user what is left, so that another session can continue (wfe-mcp handoff "
        f"{mine.run}). You are asked once. To work without a reminder, the user runs: wfe-mcp pause {mine.run}"
    )
    return write_json({"decision": "deny" if client == "gemini-cli" else "block", "reason": why})


def _context(name: str, text: str) -> str:
    return write_json({"hookSpecificOutput": {"hookEventName": name, "additionalContext": text}})


def _word(text: str) -> str:
    """``text`` as a part of a file's name."""
    return "".join(letter if letter.isalnum() else "_" for letter in text)[:80]


def _mark(folder: str, name: str) -> bool:
    """Whether this is the first time."""
    place = os.path.join(folder, "sessions")
    os.makedirs(place, mode=0o700, exist_ok=True)
    try:
        os.close(os.open(os.path.join(place, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


def _unmark(folder: str, name: str) -> bool:
    try:
        os.unlink(os.path.join(folder, "sessions", name))
    except FileNotFoundError:
        return False
    return True


def _log(env: "dict[str, str]", line: str) -> None:
    """A line for people who look why a hook was silent. Nothing where even that fails."""
    try:
        folder = os.path.join(os.path.dirname(database(env)), "hooks")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = os.path.join(folder, "hook.log")
        mode = "w" if os.path.exists(path) and os.path.getsize(path) > _LOG_BYTES else "a"
        with open(path, mode, encoding="utf-8") as stream:
            stream.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")
    except Exception:  # noqa: S110 - rule 1
        pass
