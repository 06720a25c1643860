"""A key reaches only its own provider, and appears in nothing that wfe-mcp writes or prints.

Real processes with debug logs, a keyring chosen by the library's own switch, and models on loopback.
"""

import base64
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer
from wfe_mcp.testing.stdio_client import StdioClient

ROOT = Path(__file__).resolve().parents[2]
KEYS = {name: f"sk-canary-{name}/0123456789+{name}" for name in ("keyring", "stored", "variable")}
KINDS = {"keyring": "openai", "stored": "anthropic", "variable": "openai-compatible"}
PATIENCE_S = 180
EACH = "import json, sys; from wfe_mcp.cli.app import main; sys.exit(print(json.dumps([main(each) for each in json.loads(sys.argv[1])])))"
SERVE = "import os, sys; os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2); sys.argv[1:] = ['serve']; from wfe_mcp.__main__ import main; sys.exit(main())"
AT_TERMINAL = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


@dataclass
class House:
    """One user's machine: home, project and database below ``place``; the keyring is elsewhere."""

    place: Path
    keyring: Path
    backend: str = "Safe"
    said: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.project = self.place / "project"
        (self.project / ".wfe" / "templates").mkdir(parents=True)
        roles = {name: {"provider": name} for name in KEYS}
        output = {"artifact": "note", "schema": {"type": "object"}}
        phase = {"id": "plan", "role": "keyring", "prompt": "Do it.", "output": output}
        made = {"format": "wfe/1", "name": "keys", "version": "1.0.0", "roles": roles, "phases": [phase]}
        (self.project / ".wfe" / "templates" / "keys.json").write_text(json.dumps(made))

    @property
    def env(self) -> dict[str, str]:
        dropped = ("WFE_", "XDG_", "ANTHROPIC_", "OPENAI_", "GEMINI_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        home = str(self.place / "home")
        return kept | {
            "HOME": home,
            "USERPROFILE": home,
            "LOCALAPPDATA": home,
            "PYTHONPATH": str(ROOT),
            "WFE_LOG": "DEBUG",
            "OPENAI_LOG": "debug",
            "ANTHROPIC_LOG": "debug",
            "MY_KEY": KEYS["variable"],
            "PYTHON_KEYRING_BACKEND": f"tests.engine.keyrings.{self.backend}",
            "WFE_TEST_KEYRING": str(self.keyring),
        }

    def __call__(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """A command, whatever it answers; both its streams are kept."""
        return self._run([sys.executable, "-m", "wfe_mcp", *words], given)

    def each(self, *commands: tuple[str, ...]) -> list[int]:
        """Commands one after the other in one process, which saves starting many; their exit codes."""
        done = self._run([sys.executable, "-c", EACH, json.dumps(commands)])
        return json.loads(done.stdout.splitlines()[-1])

    def _run(self, argv: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            argv, cwd=self.project, env=self.env, input=given, capture_output=True, text=True, timeout=PATIENCE_S
        )
        self.said += [done.stdout, done.stderr]
        return done

    def typed(self, *words: str, asked: str, typed: str) -> int:
        """A command at a terminal of its own, where ``typed`` is the answer to what it ``asked``; its exit code."""
        ours, its = os.openpty()
        argv = [sys.executable, "-c", AT_TERMINAL, sys.executable, "-m", "wfe_mcp", *words]
        child = subprocess.Popen(argv, cwd=self.project, env=self.env, stdin=its, stdout=its, stderr=its)
        os.close(its)
        seen = b""
        try:
            while piece := self._read(ours):
                seen += piece
                if asked and asked.encode() in seen:
                    os.write(ours, f"{typed}\n".encode())
                    asked = ""
            return child.wait(PATIENCE_S)
        finally:
            child.kill()
            child.wait()
            os.close(ours)
            self.said.append(seen.decode(errors="replace"))

    @staticmethod
    def _read(terminal: int) -> bytes:
        """The next piece; empty when the other side is closed, or nothing comes for long."""
        ready, _, _ = select.select([terminal], [], [], PATIENCE_S)
        try:
            return os.read(terminal, 65_536) if ready else b""
        except OSError:  # how Linux says that no one has it open any more
            return b""

    def shown(self) -> list[str]:
        """Every name of a place where a key is found, in plain or encoded."""
        places = {f"file {file}": file.read_bytes() for file in self.place.rglob("*") if file.is_file()}
        places |= {f"answer {number}: {answer[:80]}": answer.encode() for number, answer in enumerate(self.said)}
        forms = [form for key in KEYS.values() for form in (key.encode(), base64.b64encode(key.encode())[:-4])]
        return [place for place, content in places.items() if any(form in content for form in forms)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house", tmp_path / "keyring.json")


@pytest.fixture
def vendors() -> Iterator[dict[str, ModelServer]]:
    """A server per key. The first call of each is answered; the second says back what it was given; then nonsense."""
    running: dict[str, ModelServer] = {}
    try:
        for name, key in KEYS.items():
            turns = (Turn(text="ok"), Turn(status=400, message=f"what is {key}?"), Turn(malformed=True))
            running[name] = ModelServer(turns, key=key, models=("m",)).__enter__()
        yield running
    finally:
        for server in running.values():
            server.__exit__(None, None, None)


def address(server: ModelServer, name: str) -> str:
    return server.origin if KINDS[name] == "anthropic" else server.v1


def add(house: House, name: str, server: ModelServer) -> subprocess.CompletedProcess[str]:
    kind = ("--kind", KINDS[name], "--base-url", address(server, name), "--json")
    if name == "variable":
        return house("providers", "add", name, *kind, "--key", "env:MY_KEY")
    return house("providers", "add", name, *kind, "--key", name, "--key-fd", "0", given=KEYS[name])


@pytest.mark.requirement("S1-23", "S1-20")
@pytest.mark.attack("a key is looked for in every file that is written and every word that is said", "held", "T3; T12")
def test_a_key_goes_to_its_provider_and_nowhere_else(house: House, vendors: dict[str, ModelServer]) -> None:
    for name, server in vendors.items():
        assert add(house, name, server).returncode == 0, house.said[-2:]
    assert set(json.loads(house.keyring.read_text()).values()) == {KEYS["keyring"]}
    assert house.each(*(("providers", "role", name, name, "m") for name in KEYS)) == [0, 0, 0]

    for name, server in vendors.items():
        test = ("providers", "test", name)
        assert house.each(test, (*test, "--json")) == [0, 1], "answered; then it says back what it was given"
        nonsense = house(*test)
        assert nonsense.returncode == 1, nonsense
        assert server.count == 3, "the right key came each time"

    pin = house("init", "--yes", "--pin-fd", "0", given="correct horse")
    assert pin.returncode == 0, pin.stderr
    trusted = house("trust", "--yes", "--pin-fd", "0", given="correct horse")
    assert trusted.returncode == 0, trusted
    run = json.loads(house("start", "keys", "--json").stdout)["run"]
    looks = (
        ("show", run),
        ("log", run),
        ("verify",),
        ("doctor",),
        ("providers", "list"),
        ("config", "show", "--origin"),
        ("templates", "export", "keys"),
    )
    house.each(*looks, *((*words, "--json") for words in looks))

    log = house.place / "serve.log"
    agent = StdioClient([sys.executable, "-c", SERVE, str(log)], cwd=house.project, env=house.env)
    try:
        agent.connect()
        house.said.append(
            json.dumps(
                [
                    agent.call("list_templates", name="keys"),
                    agent.call("start_run", template="keys"),
                    agent.call("status", run=run, detail="full"),
                    agent.call("start_phase", run=run),
                ]
            )
        )
    finally:
        agent.close()

    assert house.each(*(("providers", "remove", name) for name in KEYS)) == [0, 0, 0]
    assert json.loads(house.keyring.read_text()) == {}
    assert house.shown() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals that a program can make")
def test_a_key_typed_at_a_terminal_is_asked_for_and_not_shown(house: House) -> None:
    words = ("providers", "add", "local", "--kind", "openai-compatible", "--base-url", "http://127.0.0.1:9/v1")
    code = house.typed(*words, "--key", "stored", asked="(not shown)", typed=KEYS["stored"])
    assert (code, "to your configuration" in house.said[-1]) == (0, True), house.said[-1]
    assert "stored: set" in house("providers", "list").stdout
    assert house.shown() == []


@pytest.mark.parametrize(
    ("backend", "answer"),
    [
        ("Missing", "error: This system has no keyring. [unavailable]"),
        ("Readable", "keeps a key safe"),
        ("Forgetful", "did not keep the key"),
        ("Locked", "Failed to unlock"),
        ("Telling", "no collection for"),
    ],
)
def test_a_keyring_that_does_not_do_is_refused_and_never_replaced_in_silence(
    house: House, backend: str, answer: str
) -> None:
    house.backend = backend
    words = ("providers", "add", "openai", "--key", "keyring", "--key-fd", "0")
    document = [house(*words, given=KEYS["keyring"]), house(*words, "--json", given=KEYS["keyring"])]
    assert [done.returncode for done in document] == [1, 1], document
    assert answer in document[0].stderr
    error = json.loads(document[1].stdout)["error"]
    assert (error["code"], "--key env:NAME" in error["hint"], "--key stored" in error["hint"]) == (
        "unavailable",
        True,
        True,
    )
    assert not house.keyring.exists()
    assert house.shown() == []
