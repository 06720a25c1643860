"""The set-up of a measurement: its own project and database, and a real server over pipes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import psutil

from wfe_mcp.engine.factory import create_engine

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


LEGACY = "2025-11-25"
HERE = str(Path(__file__).resolve().parent.parent)
"""The checkout whose package the processes of a measurement use."""
_KEPT = ("PATH", "LANG", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")

TEMPLATE: dict[str, Any] = {
    "format": "wfe/1",
    "name": "bench",
    "version": "1.0.0",
    "title": "One phase with an expression gate",
    "description": "What the measurements drive.",
    "limits": {"max_invalid": 100},
    "phases": [
        {
            "id": "work",
            "prompt": "Do it.",
            "output": {"artifact": "report", "schema": "markdown_doc@1"},
            "gates": [{"kind": "expr", "assert": "${size(artifacts.report.body) > 0}"}],
        }
    ],
}

ONE_CHANGE: dict[str, Any] = {
    "format": "wfe/1",
    "name": "one_change",
    "version": "1.0.0",
    "title": "One change, judged by its files and its tests",
    "description": "A phase with a files gate and a command gate, as shipped templates have them.",
    "phases": [
        {
            "id": "build",
            "prompt": "Change it.",
            "output": {"artifact": "change", "schema": "change@1"},
            "gates": [
                {"kind": "files", "within": ["**"], "unchanged": ["docs/**"]},
                {"kind": "command", "check": "test", "expect": {"exit_code": 0}},
            ],
        }
    ],
}


class Scene:
    """A project folder with the bench template, trusted, and an empty database."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.database = folder / "bench.db"
        self.environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
            "HOME": str(folder / "home"),
            "WFE_DATABASE_URL": f"sqlite:///{self.database.as_posix()}",
        }
        (folder / "home").mkdir()
        (self.root / ".wfe" / "templates").mkdir(parents=True)
        subprocess.run(["git", "init", "-q", str(self.root)], check=True, env=self.environment)
        self.add_template(TEMPLATE)

    def add_template(self, template: dict[str, Any]) -> None:
        """Put a template into the project and trust it."""
        file = self.root / ".wfe" / "templates" / f"{template['name']}.json"
        file.write_text(json.dumps(template), encoding="utf-8")
        self._trust()

    def git(self, *words: str) -> None:
        """Run git in the project, with a fixed committer."""
        who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
        subprocess.run(["git", *who, *words], cwd=self.root, check=True, capture_output=True, env=self.environment)

    def verified(self) -> tuple[int, int]:
        """How many runs ``verify`` has checked, and how many differences it finds."""
        done = subprocess.run(
            [sys.executable, "-m", "wfe_mcp", "--json", "verify"],
            cwd=self.root,
            env=self.environment | {"PYTHONPATH": HERE},
            capture_output=True,
            text=True,
            check=False,
        )
        found: dict[str, Any] = json.loads(done.stdout).get("data", {})
        return int(found.get("runs", 0)), len(found.get("problems", ())) or int(done.returncode != 0)

    def _trust(self) -> None:
        from wfe_mcp.core.model import Assurance, By, Channel
        from wfe_mcp.engine.templates.trust import give_trust
        from wfe_mcp.workspace.system.location import project_at

        engine = create_engine(project_at(self.root), environment=self.environment)
        give_trust(engine, By("bench", Channel.CLI, Assurance.HUMAN), [])
        engine.close()

    @contextmanager
    def server(self, *command: str) -> Generator[Server]:
        """A running ``serve`` (or ``command``) on this project."""
        argv = command or (sys.executable, "-m", "wfe_mcp", "serve")
        server = Server(argv, self.root, self.environment)
        try:
            yield server
        finally:
            server.end()


class Server:
    """A child server that exchanges JSON lines; every wait ends with the child."""

    def __init__(self, argv: Sequence[str], cwd: Path, environment: dict[str, str]) -> None:
        self.spawned_at = time.perf_counter()
        self.child = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment | {"PYTHONPATH": HERE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._id = 0

    @property
    def pid(self) -> int:
        """The child's process."""
        return self.child.pid

    @property
    def cpu_ms(self) -> float:
        """CPU time of the server's own threads, without its child processes."""
        times = psutil.Process(self.pid).cpu_times()
        return (times.user + times.system) * 1000

    def until_idle(self, patience_s: float = 300) -> None:
        """Wait until the server has used almost no CPU for two seconds."""
        end = time.monotonic() + patience_s
        before = self.cpu_ms
        while time.monotonic() < end:
            time.sleep(2)
            after = self.cpu_ms
            if after - before < 60:
                return
            before = after

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """The result of one request."""
        self._id += 1
        self._send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        assert self.child.stdout is not None
        for line in self.child.stdout:
            frame = json.loads(line)
            if frame.get("id") == self._id:
                return frame["result"]
        raise RuntimeError("the server ended")

    def hello(self) -> None:
        """Do the handshake of 2025-11-25."""
        client = {"name": "bench", "version": "1"}
        self.ask("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client})
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The tool result: ``structuredContent`` and ``content``."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments})

    def end(self) -> None:
        """Close its input and wait."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        assert self.child.stdout is not None
        self.child.stdout.close()

    def _send(self, frame: dict[str, Any]) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(frame).encode() + b"\n")
        self.child.stdin.flush()


@contextmanager
def scene() -> Generator[Scene]:
    """A fresh scene, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="wfe-bench-"))
    # What engines of this process keep for a database on PostgreSQL lies where those of the scene's processes have it.
    data = {"XDG_DATA_HOME": str(folder / "home" / ".local" / "share")}
    try:
        with patch.dict(os.environ, data):
            yield Scene(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
