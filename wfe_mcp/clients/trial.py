"""Starts a command as a client does and asks it for its tools."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from wfe_mcp import __version__
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.jobs.process_tree import end_process_tree
from wfe_mcp.workspace.files.programs import program
from wfe_mcp.workspace.system.process import started_at

LIMIT_S = 60.0
"""uvx may have to download packages first."""

_GRACE_S = 0.2
_PROTOCOL = "2025-06-18"
_MESSAGES: tuple[dict[str, Any], ...] = (
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": _PROTOCOL,
            "capabilities": {},
            "clientInfo": {"name": "wfe-mcp install", "version": __version__},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
)
_ERROR_CHARS = 300


@dataclass(frozen=True, slots=True)
class Trial:
    """How the start ended. ``fault``: why it does not work, else empty."""

    seconds: float
    version: str = ""
    tools: tuple[str, ...] = ()
    fault: str = ""


def environment(env: Mapping[str, str], passes: tuple[str, ...] | None) -> dict[str, str]:
    """The variables that a client gives its server; on Windows a program cannot start without the system's own."""
    system = ("SYSTEMROOT", "PATHEXT", "COMSPEC", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "TEMP")
    return {name: value for name, value in env.items() if passes is None or name in (*passes, *system)}


def try_server(argv: Sequence[str], folder: Path, env: Mapping[str, str], limit_s: float = LIMIT_S) -> Trial:
    """Start ``argv`` in ``folder``, shake hands, list the tools, and end it."""
    begin = time.monotonic()
    path = program(argv[0], folder, env.get("PATH", ""))
    if path is None:
        return Trial(0, fault=f"{argv[0]} is not found on PATH")
    try:
        process = subprocess.Popen(
            [str(path), *argv[1:]],
            cwd=folder,
            env=dict(env),
            text=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Trial(0, fault=f"{path} cannot start: {error.strerror}")
    started, error_output = started_at(process.pid), list[str]()

    def end() -> None:
        # uvx, or a script, starts the server as a child of its own, which has the pipes too.
        end_process_tree(process.pid, started, None, _GRACE_S)

    def end_late() -> None:
        timed_out.set()
        end()

    timed_out = threading.Event()
    timer = threading.Timer(limit_s, end_late)
    listener = threading.Thread(target=error_output.extend, args=(_require_pipe(process.stderr),), daemon=True)
    with process:
        try:
            timer.start()
            listener.start()
            answers = _talk(process)
        finally:
            timer.cancel()
            end()
        with contextlib.suppress(OSError):  # what a process that ended did not read
            _require_pipe(process.stdin).close()
        listener.join()
    spent = time.monotonic() - begin
    if 2 not in answers:
        last = " ".join("".join(error_output).split())[-_ERROR_CHARS:]
        why = f"no answer within {limit_s:.0f} s" if timed_out.is_set() else "it ended before it answered"
        return Trial(spent, fault=f"{why}: {last}" if last else why)
    return _read(answers, spent)


def _talk(process: subprocess.Popen[str]) -> dict[int, dict[str, Any]]:
    """The answers by id; what is there when the process ends or has answered both questions."""
    answers: dict[int, dict[str, Any]] = {}
    with contextlib.suppress(OSError):
        for request in _MESSAGES:
            _require_pipe(process.stdin).write(f"{json.dumps(request)}\n")
        _require_pipe(process.stdin).flush()
        for line in _require_pipe(process.stdout):
            with contextlib.suppress(ValueError, AttributeError):
                message = json.loads(line)
                if isinstance(message.get("id"), int):
                    answers[message["id"]] = message
            if {1, 2} <= answers.keys():
                break
    return answers


def _read(answers: Mapping[int, dict[str, Any]], spent: float) -> Trial:
    try:
        version = answers[1]["result"]["serverInfo"]["version"]
        tools = tuple(tool["name"] for tool in answers[2]["result"]["tools"])
    except (KeyError, TypeError):
        return Trial(spent, fault="its answer is not that of an MCP server")
    return Trial(spent, str(version), tools, "" if "start_run" in tools else "it lists no tool start_run")


def _require_pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise OSError("no pipe")
    return stream
