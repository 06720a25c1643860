"""A real server process over stdio: serves, survives bad input, and ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.server.conftest import House, drill, submitted
from wfe_mcp.server.fast_start import CAPABILITIES_KEY, MODERN, VERSION_KEY

HEAVY = {"sqlmodel", "sqlalchemy", "alembic", "anthropic", "openai", "typer", "rich", "pydantic_settings"}
OURS = {
    "wfe_mcp.core.events",
    "wfe_mcp.views.answers.tool_answers",
    "wfe_mcp.views.runs.models",
    "wfe_mcp.workflow.model",
}
"""What a first call needs when a run is open, and a server that only answers a handshake does not."""

PATIENCE_S = 120


class Child:
    """A server process and its wire."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin, self.stdout = process.stdin, process.stdout
        self._last = 0

    def write(self, line: bytes) -> None:
        self.stdin.write(line + b"\n")
        self.stdin.flush()

    def read(self) -> dict[str, Any]:
        line = self.stdout.readline()
        assert line, "the server has ended"
        return json.loads(line)

    def ask(self, method: str, **params: Any) -> int:
        self._last += 1
        message = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}
        self.write(json.dumps(message).encode())
        return self._last

    def end(self) -> int:
        self.stdin.close()
        return self.process.wait(PATIENCE_S)


def registered(house: House) -> list[int]:
    """The processes of the servers that work in the house, once there is one."""
    engine, ends, found = house.engine(), time.monotonic() + PATIENCE_S, list[int]()
    while not found and time.monotonic() < ends:
        with engine.store.read() as tx:
            found = [each.pid for each in tx.processes.on_host(engine.identity.host)]
    return found


GONE = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.argv[1], sys.argv[1:])"
"""Removes the folder that it works in, and becomes the program that its arguments name."""


@contextmanager
def serving(house: House, *command: str, cwd: Path | None = None) -> Generator[Child]:
    process = subprocess.Popen(
        command or [*house.command, "--project", str(house.root)],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=house.environment,
    )
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        yield Child(process)
    finally:
        watchdog.cancel()
        process.kill()
        with process:  # closes the pipes and waits
            pass


def test_a_handshake_client_is_served_through_bad_lines_and_an_end_by_signal(house: House) -> None:
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    with serving(house) as child:
        # All at once, before the SDK can be there: nothing may be lost or change its order.
        child.write(b"nonsense")
        hello = child.ask("initialize", **about)
        child.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
        tools = child.ask("tools/list")
        status = child.ask("tools/call", name="status", arguments={})
        early = [child.read() for _ in range(4)]
        assert early[0]["error"]["code"] == -32700
        assert [answer["id"] for answer in early] == [None, hello, tools, status]
        assert (answer := early[3]["result"]["structuredContent"])["ok"], answer

        # The same once it is there, which the answer to what it alone can answer shows.
        child.ask("ping")
        child.read()
        child.write(b'{"jsonrpc": "2.0", "id": 9, "method": "ping", "params": {"n": NaN}}')
        child.write(b'{"jsonrpc": "2.0", "id": 9, "method": "ping", "params": {"s": "\\udc00"}}')
        child.write(b"\xff\xfe")
        child.write(b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4711}}')
        child.write(b'{"jsonrpc": "2.0", "method": "notifications/unheard-of"}')
        ping, again = child.ask("ping"), child.ask("tools/list")
        late = [child.read() for _ in range(5)]
        assert [answer.get("error", {}).get("code") for answer in late] == [-32700, -32700, -32700, None, None]
        assert [answer["id"] for answer in late[3:]] == [ping, again]
        assert late[4]["result"] == early[2]["result"]

        child.process.send_signal(signal.SIGTERM)
        code = child.process.wait(PATIENCE_S)
        assert code == 0 or os.name == "nt"


@pytest.mark.parametrize("options", [[], ["--project", "{}"]])
def test_a_client_whose_configuration_lacks_the_word_serve_is_served(house: House, options: list[str]) -> None:
    command = [*house.command[:-1], *(option.format(house.root) for option in options)]
    with serving(house, *command, cwd=house.root) as child:
        child.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "t", "version": "1"})
        assert child.read()["result"]["serverInfo"]["name"] == "wfe"
        assert child.end() == 0

    alone = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=house.environment)
    assert (alone.returncode, alone.stdout.split()[:2]) == (2, ["Usage:", "wfe-mcp"])


def test_a_stateless_client_is_served_until_it_closes_its_end(house: House) -> None:
    meta: dict[str, Any] = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}
    with serving(house) as child:
        asked = [child.ask("server/discover", _meta=meta), child.ask("tools/list", _meta=meta)]
        asked += [child.ask("tools/call", _meta=meta, name=name, arguments={}) for name in ("status", "no_such_tool")]
        asked.append(child.ask("tools/list", _meta=meta))
        answers = {answer["id"]: answer["result"] for answer in (child.read() for _ in asked)}

        assert answers[asked[1]] == answers[asked[4]]
        assert (answer := answers[asked[2]]["structuredContent"])["ok"], answer
        assert answers[asked[3]]["structuredContent"]["error"]["code"] == "bad_argument"
        assert child.end() == 0


def test_a_stateless_client_that_stays_silent_has_a_worker_all_the_same(house: House) -> None:
    with serving(house) as child:
        child.ask("tools/list", _meta={VERSION_KEY: MODERN, CAPABILITIES_KEY: {}})
        child.read()

        assert registered(house) == [child.process.pid]


def test_a_client_that_leaves_at_once_leaves_nothing_behind_and_nothing_heavy_was_loaded(house: House) -> None:
    python, *arguments = house.command
    ended = subprocess.run(
        [python, "-X", "importtime", *arguments, "--project", str(house.root)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=house.environment,
        timeout=PATIENCE_S,
        check=True,
        encoding="utf-8",
    )
    loaded = {line.rsplit("|", 1)[1].strip() for line in ended.stderr.splitlines() if line.startswith("import time:")}

    assert ended.stdout == ""
    assert "mcp.server.mcpserver" in loaded
    assert loaded & (HEAVY | OURS) == set()


async def test_the_official_client_plays_a_phase_over_stdio(house: House) -> None:
    command, *arguments = house.command
    server = StdioServerParameters(
        command=command, args=[*arguments, "--project", str(house.root)], env=house.environment, cwd=house.root
    )
    async with Client(server, mode="auto") as agent:
        run = await drill(agent)
        done = await submitted(agent, run, "checked")

    assert (done["ok"], done["state"]) == (True, "completed")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no folder in which a process works")
def test_a_server_starts_where_its_folder_was_removed_and_its_calls_say_so(house: House, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with serving(house, sys.executable, "-c", GONE, *house.command, cwd=gone) as child:
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        child.ask("initialize", **about)
        assert child.read()["result"]["serverInfo"]["name"] == "wfe"
        child.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
        child.ask("tools/list")
        assert len(child.read()["result"]["tools"]) == 16
        child.ask("tools/call", name="status", arguments={})
        answer = child.read()["result"]["content"][0]["text"]
        assert answer.startswith("unavailable: The current folder no longer exists.")
        assert child.end() == 0


def test_the_front_is_standard_library_alone() -> None:
    script = "import sys, wfe_mcp.__main__, wfe_mcp.server.entry; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, encoding="utf-8")
    late = HEAVY | {"mcp", "pydantic", "anyio", "asyncio", "argparse", "logging", "subprocess", "dataclasses"}
    # Each takes longer to load, without bytecode, than the answer. ``warnings`` does too, but Python 3.13 needs it for threads.
    late |= {"typing", "pathlib", "urllib.parse", "contextlib"}

    assert late & set(ended.stdout.split()) == set()
