"""Runs commands through ``main``, with the templates that the tests use."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.following import Following
from tests.cli.kept_scenes import KeptScenes
from wfe_mcp.cli.app import main

PIN = "correct horse"
OK = [sys.executable, "-c", "import pathlib, sys; sys.exit(not pathlib.Path('ok').exists())"]
TEXT = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {"text": {"type": "string"}},
}


def phase(name: str, *gates: dict[str, Any], **more: Any) -> dict[str, Any]:
    output = {"artifact": name, "schema": TEXT, "editable": True}
    return {"id": name, "prompt": "Write it.", "output": output, "gates": list(gates), **more}


def template(name: str, *phases: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A wfe/1 template whose phases each produce ``{text}``."""
    return {"format": "wfe/1", "name": name, "version": "1.0.0", "title": f"A {name}", "phases": list(phases), **more}


HUMAN = {"kind": "approval", "assurance": "human"}
CHECK = {"kind": "command", "check": "test"}
TEMPLATES = (
    template("note", phase("draft")),
    template("letter", phase("draft"), phase("send", HUMAN)),
    template("code", phase("build", CHECK, on_fail=[{"do": "wait_human"}])),
    template("deed", phase("sign", CHECK, HUMAN)),
)


@dataclass
class Clock:
    """A clock that only moves on request."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 20, 8, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What ``--json`` printed: exactly one document."""
        return json.loads(self.out)

    @property
    def data(self) -> dict[str, Any]:
        return self.document["data"]

    @property
    def refusal(self) -> str:
        """The code of the error that ``--json`` printed."""
        return self.document["error"]["code"]


@dataclass
class Terminal:
    """Types commands into ``main``."""

    root: Path
    database: Path
    clock: Clock
    capture: pytest.CaptureFixture[str]
    place: Path
    """The folder of project, home and state."""
    scenes: KeptScenes
    typed: list[tuple[tuple[str, ...], Said]] = field(default_factory=list[tuple[tuple[str, ...], Said]])
    """Every command and how it ended; the last ones are shown when a test fails."""
    following: Following = field(default_factory=lambda: Following("", {}))
    """What is proposed in this test and run there as it is printed."""

    def __call__(self, *words: str, pin: str | bytes | None = None) -> Said:
        self.capture.readouterr()
        given, readable = list(words), None
        if pin is not None:
            readable, writable = os.pipe()
            os.write(writable, pin if isinstance(pin, bytes) else pin.encode())
            os.close(writable)
            given += ["--pin-fd", str(readable)]
        try:
            code = main(given, clock=self.clock)
        finally:
            if readable is not None:
                os.close(readable)
        found = self.capture.readouterr()
        said = Said(code, found.out, found.err)
        self.typed.append((words, said))
        self.following.look(self, said)
        return said

    def hear(self, answer: dict[str, Any]) -> dict[str, Any]:
        """``answer`` of another interface in this state; what it proposes is followed as what a command prints."""
        said = Said(0 if answer.get("ok") else 1, json.dumps(answer), "")
        self.typed.append((("…",), said))
        self.following.look(self, said)
        return answer

    def json(self, *words: str, pin: str | None = None) -> Said:
        return self(*words, "--json", pin=pin)

    def start(self, name: str, *words: str) -> str:
        answer = self.json("start", name, *words)
        assert answer.code == 0, answer.out
        return answer.document["run"]

    def submit_work(self, run: str, phase: str, text: str = "hello") -> Said:
        (self.root / "draft.json").write_text(json.dumps({"text": text}))
        return self.json("submit", run, phase, "--path", "draft.json")

    def state(self, run: str) -> str:
        return self.json("status", run).document["run_state"]

    def save(self, definition: dict[str, Any]) -> None:
        """Put a template into the project and trust it."""
        path = self.root / ".wfe" / "templates" / f"{definition['name']}.json"
        path.write_text(json.dumps(definition))
        answer = self("trust", definition["name"], "--yes", pin=PIN)
        assert answer.code == 0, answer.err

    def git(self, *words: str) -> str:
        return subprocess.run(["git", "-C", self.root, *words], check=True, capture_output=True, text=True).stdout
