"""One user's machine: a project, a database, a person's PIN, a client of an agent and the shells that it opens.

Everything is a real process. What the agent's client starts has that client among its ancestors, as in life.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.jobs.conftest import until
from wfe_mcp.core.model import Assurance, By, Channel, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals.pin import set_pin
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine, utc_now
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.store import Store
from wfe_mcp.testing.stdio_client import StdioClient
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import project_at
from wfe_mcp.workspace.system.process import this_process

ROOT = Path(__file__).resolve().parents[2]
PIN = "correct horse"
ADA = By("ada", Channel.CLI, Assurance.HUMAN)
PATIENCE_S = 180
NOTE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}

CLIENT = """
import json, subprocess, sys
serve = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
who = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "claude-code", "version": "1"}}
def say(**frame):
    serve.stdin.write(json.dumps({"jsonrpc": "2.0", **frame}).encode() + b"\\n"); serve.stdin.flush()
say(id=1, method="initialize", params=who); serve.stdout.readline()
say(method="notifications/initialized")
say(id=2, method="tools/call", params={"name": "status", "arguments": {}}); serve.stdout.readline()
for line in sys.stdin:
    asked = json.loads(line)
    done = subprocess.run(asked["argv"], input=asked["given"], capture_output=True, text=True, cwd=asked["cwd"])
    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
serve.stdin.close(); serve.wait()
"""
"""An agent's client: it has a server of ours and runs what the agent asks for."""

TERMINAL = Path(__file__).with_name("terminal.py")


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said on both streams."""

    code: int
    said: str


def talking(lines: Sequence[tuple[str, str] | tuple[str, str, Sequence[str]]], *argv: str) -> list[str]:
    """``argv`` at a terminal: each of ``lines`` is what is waited for, and what is typed then; see ``terminal.py``."""
    return [sys.executable, str(TERMINAL), json.dumps(lines), *argv]


def typist(asked: str, typed: str, *argv: str) -> list[str]:
    """``argv`` at a terminal where ``typed`` is the answer to ``asked``."""
    return talking([(asked, typed)], *argv)


class Shell:
    """The client of an agent (a process called ``claude`` with a server of ours) and what the agent runs in it."""

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        name = machine.place / "claude"
        if not name.exists():
            name.symlink_to(sys.executable)
        self.process = subprocess.Popen(
            [name, "-c", CLIENT, json.dumps(machine.wfe("serve"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=machine.project,
            env=machine.env,
        )
        until(lambda: self.process.pid in machine.clients(), PATIENCE_S, every_s=0.05)

    def __call__(self, *argv: str, given: str = "") -> Done:
        """Run ``argv`` as the agent's client does."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"argv": list(argv), "given": given, "cwd": str(self._machine.project)}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        code, out, err = json.loads(self.process.stdout.readline())
        return Done(code, out + err)

    def close(self) -> None:
        """The client ends, and its server with it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()


@dataclass
class Machine:
    """``letter`` is a template whose one phase a person approves; ``memo`` has no gate."""

    place: Path
    shells: list[Shell] = field(default_factory=list[Shell])
    more: dict[str, str] = field(default_factory=dict[str, str])
    """Variables of this machine in place of those of the process that runs the tests."""

    def __post_init__(self) -> None:
        self.project, self.home = self.place / "project", self.place / "home"
        self.database = self.place / "wfe.db"
        self.home.mkdir(parents=True)
        templates = self.project / ".wfe" / "templates"
        templates.mkdir(parents=True)
        for name, gates in {"letter": [{"kind": "approval"}], "memo": []}.items():
            output = {"artifact": "text", "schema": NOTE}
            phase = {"id": "write", "prompt": "Write.", "output": output, "gates": gates}
            made = {"format": "wfe/1", "name": name, "version": "1.0.0", "title": name, "phases": [phase]}
            (templates / f"{name}.json").write_text(json.dumps(made), encoding="utf-8")

    @property
    def env(self) -> dict[str, str]:
        """What every process of this machine sees."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("WFE_", "XDG_", "PYTHON", "GIT_", "ANTHROPIC_", "OPENAI_"))
        }
        home = str(self.home)
        return kept | {
            "HOME": home,
            "USERPROFILE": home,
            "LOCALAPPDATA": home,
            "PYTHONPATH": str(ROOT),
            "WFE_DATABASE_URL": f"sqlite:///{self.database.as_posix()}",
            **self.more,
        }

    def wfe(self, *words: str) -> list[str]:
        """``wfe-mcp`` with these words, as a command."""
        return [sys.executable, "-m", "wfe_mcp", *words]

    def run(self, *argv: str, given: str = "", env: dict[str, str] | None = None) -> Done:
        """A command at a terminal that no client opened."""
        done = subprocess.run(
            argv,
            cwd=self.project,
            env=self.env | (env or {}),
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    def talk(self, lines: Sequence[tuple[str, str]], *argv: str) -> Done:
        """``argv`` at a terminal: see ``talking``."""
        return self.run(*talking(lines, *argv))

    def json(self, *words: str, given: str = "", env: dict[str, str] | None = None) -> dict[str, Any]:
        """What ``wfe-mcp … --json`` answers there."""
        return json.loads(self.run(*self.wfe(*words, "--json"), given=given, env=env).said)

    def person(self) -> None:
        """Someone chooses a PIN and trusts what lies in the project."""
        with self.engine() as engine:
            give_trust(engine, set_pin(engine, PIN, ADA), [])

    def letter(self) -> str:
        """A run that waits for the person."""
        with self.engine() as engine:
            run = answers.start_run(engine, By(), "letter").run
            assert run is not None
            answers.start_phase(engine, By(), run)
            assert (
                answers.submit_artifact(engine, By(), run, "write", artifact={"text": "Dear all"}).state == "awaiting"
            )
        return run

    def state(self, run: str) -> str:
        """The state of the phase that waits."""
        store = self.store()
        try:
            with store.read() as tx:
                loaded = tx.runs.load(RunId(run))
        finally:
            store.close()
        assert loaded is not None
        return str(loaded.state.current(PhasePath("write")).status)

    def client(self) -> Shell:
        """An agent's client, with a server of ours."""
        made = Shell(self)
        self.shells.append(made)
        return made

    def server(self, **options: Any) -> StdioClient:
        """A server of ours whose client is this process."""
        return StdioClient(self.wfe("serve"), cwd=self.project, env=self.env, **options)

    def clients(self) -> set[int]:
        """The processes on whose behalf a live server runs."""
        with self._watched.read() as tx:
            return {row.client_pid for row in tx.processes.on_host(this_process().host) if row.client_pid is not None}

    @cached_property
    def _watched(self) -> Store:
        """The database, open for a caller that waits: to open it again for each look costs more than what is waited for."""
        return self.store()

    @contextmanager
    def engine(self) -> Generator[Engine]:
        """What a process of ours works with, in this one: starting one takes seconds."""
        made = create_engine(project_at(self.project), environment=self.env)
        try:
            yield made
        finally:
            made.close()

    def store(self) -> Store:
        """The database itself, as anyone who has the person's account can open it."""
        return Store.open(f"sqlite:///{self.database.as_posix()}", clock=utc_now)

    def close(self) -> None:
        """Every client ends."""
        for shell in self.shells:
            shell.close()
        if "_watched" in self.__dict__:
            self._watched.close()
