"""A server with a project, and developers' machines: each has a home, data, a clone and a token of its own."""

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from tests.server.conftest import HUMAN, House
from tests.server.http.conftest import Running, other_project as other_project
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.engine.kernel.engine import utc_now

CHECK = [sys.executable, "-m", "unittest", "discover", "-s", "tests", "-t", "."]
GREEN, RED = "def add(a, b):\n    return a + b\n", "def add(a, b):\n    return a - b\n"
TEST = "import unittest\n\nfrom app import add\n\n\nclass Adds(unittest.TestCase):\n    def test_{0}(self):\n        self.assertEqual(add(1, {1}), 3)\n"
WAIT_S = 60.0


def git(at: Path, *words: str, home: Path | None = None) -> str:
    """What git prints, for a person without configuration."""
    who = {f"GIT_{one}_{what}": "ada@example.org" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "HOME": str(home or at), "GIT_CONFIG_NOSYSTEM": "1", **who}
    done = subprocess.run(["git", *words], cwd=at, env=env, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Client:
    """An MCP client of the handshake, with a bridge as its server."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process, self._last = process, 0
        asked = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "toy", "version": "1"}}
        self.hello = self.ask("initialize", **asked)
        self.write({"method": "notifications/initialized"})

    def write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def begin(self, method: str, **params: Any) -> int:
        """Send a request, and do not wait for its answer."""
        self._last += 1
        self.write({"id": self._last, "method": method, "params": params})
        return self._last

    def next_answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], WAIT_S)
        assert ready, "no answer came"
        return cast("dict[str, Any]", json.loads(self.process.stdout.readline()))

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = self.begin(method, **params)
        found = self.next_answer()
        assert found["id"] == number, found
        return cast("dict[str, Any]", found["result"])

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The envelope of a call, whatever it says."""
        return cast("dict[str, Any]", self.ask("tools/call", name=tool, arguments=arguments)["structuredContent"])

    def does(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The envelope of a call that is made, at the end of its gates."""
        found = self.call(tool, **arguments)
        while found["ok"] and found.get("waiting_on") == "gate":
            found = self.call("status", run=found["run"], phase=arguments["phase"], wait_s=30)
        assert found["ok"], json.dumps(found)
        return found

    def end(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@dataclass
class Machine:
    """A developer's machine."""

    folder: Path
    url: str
    token: str
    variables: dict[str, str] = field(default_factory=dict[str, str])
    clients: list[Client] = field(default_factory=list[Client])

    @property
    def root(self) -> Path:
        """The clone."""
        return self.folder / "clone"

    @property
    def environment(self) -> dict[str, str]:
        token = {"WFE_TOKEN": self.token} if self.token else {}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            **token,
            **self.variables,
        }

    def connect(self, url: str = "") -> Client:
        argv = [sys.executable, "-m", "wfe_mcp", "serve", "--server", url or self.url]
        process = subprocess.Popen(
            argv,
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.clients.append(Client(process))
        return self.clients[-1]

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def git(self, *words: str) -> str:
        return git(self.root, *words, home=self.folder)


@dataclass
class Team:
    """The server, and who works with it."""

    running: Running
    folder: Path
    machines: list[Machine] = field(default_factory=list[Machine])

    @property
    def house(self) -> House:
        return self.running.house

    @property
    def root(self) -> Path:
        """The project's folder at the server."""
        return self.house.root

    @property
    def environment(self) -> dict[str, str]:
        return self.house.environment

    def machine(self, name: str = "ada", *, token: str | None = None) -> Machine:
        folder = self.folder / f"of-{name}"
        folder.mkdir()
        git(folder, "clone", "-q", "--template=", str(self.house.root), "clone")
        text = self.running.token(name) if token is None else token
        self.machines.append(Machine(folder, self.running.url, text))
        return self.machines[-1]

    def there(self, name: str = "ada") -> Path:
        """The work folder at the server."""
        return self.house.root.with_name(f"{self.house.root.name}-worktrees") / f"bridge-{name}"


def give_trust(house: House) -> None:
    config = (house.root / ".wfe" / "config.toml").resolve()
    engine = house.engine()
    with engine.store.tx() as tx:
        tx.trust.give(engine.project_id, str(config), sha256_hex(config.read_bytes()), HUMAN, utc_now())


@pytest.fixture
def team(house: House, tmp_path: Path) -> Iterator[Team]:
    root = house.root
    (root / ".wfe" / "config.toml").write_text(
        f"[checks.ok]\nargv = {json.dumps([sys.executable, '-c', 'pass'])}\n[checks.test]\nargv = {json.dumps(CHECK)}\n"
    )
    give_trust(house)
    (root / "tests").mkdir()
    for path, text in {"app.py": RED, "tests/__init__.py": "", ".gitignore": "__pycache__/\nbuild/\n"}.items():
        (root / path).write_text(text)
    git(root, "checkout", "-q", "-b", "main")
    git(root, "add", "app.py", "tests", ".gitignore")
    git(root, "commit", "-q", "-m", "first")
    running = Running(house)
    running.start()
    made = Team(running, tmp_path)
    yield made
    for machine in made.machines:
        for client in machine.clients:
            client.end()
        shutil.rmtree(machine.folder, ignore_errors=True)
    running.end()


Bug = Callable[[Client], str]


def started(client: Client) -> str:
    """A run of quick_fix about the bug in ``add``."""
    found = client.does("start_run", template="quick_fix", title="add", inputs={"problem": "add() subtracts"})
    return cast("str", found["run"])


FAILING = {
    "test": "tests.test_add.Adds.test_two",
    "file": "tests/test_add.py",
    "why": "add() subtracts",
    "expected": "3",
    "actual": "-1",
}


def reproduced(machine: Machine, client: Client, run: str) -> None:
    """The bug is shown by a test on the developer's machine."""
    client.does("start_phase", run=run, phase="reproduce")
    machine.write("tests/test_add.py", TEST.format("two", 2))
    client.does("submit_artifact", run=run, phase="reproduce", artifact=FAILING)


class Cut:
    """A proxy that cuts the answers to some requests. ``instead``: what it answers to these itself, and passes none on."""

    def __init__(self, to: int) -> None:
        self._listening, self._to, self.answers_of = socket.create_server(("127.0.0.1", 0)), to, b""
        self.instead = b""
        self.port = int(self._listening.getsockname()[1])

    def __enter__(self) -> "Cut":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def passed_on(self, more: bytes) -> None:
        """What happens before the next bytes of a request are passed on."""

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._to)) as server:
            host = f"localhost:{self.port}".encode()
            first = client.recv(65_536)
            is_cut = bool(self.answers_of) and first.startswith(self.answers_of)
            if is_cut and self.instead:
                client.sendall(self.instead)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65_536):
                    pass
                return
            back = threading.Thread(target=self._back, args=(server, client, is_cut), daemon=True)
            back.start()
            more = first
            while more:
                self.passed_on(more)
                server.sendall(more.replace(b"Host: " + host, f"Host: localhost:{self._to}".encode()))
                more = client.recv(65_536)
            back.join(60)

    @staticmethod
    def _back(server: socket.socket, client: socket.socket, is_cut: bool) -> None:
        while more := server.recv(65_536):
            if is_cut:
                client.shutdown(socket.SHUT_RDWR)
                return
            client.sendall(more)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
