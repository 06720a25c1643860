"""Fixtures: throwaway projects with a template that needs no program."""

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.testing.playground import Playground

HELLO: dict[str, Any] = {
    "format": "wfe/1",
    "name": "hello",
    "version": "1.0.0",
    "title": "A greeting",
    "inputs": {"type": "object", "required": ["who"], "properties": {"who": {"type": "string", "minLength": 1}}},
    "phases": [
        {
            "id": "draft",
            "prompt": "Greet ${inputs.who}",
            "output": {
                "artifact": "greeting",
                "schema": {
                    "type": "object",
                    "required": ["text"],
                    "additionalProperties": False,
                    "properties": {"text": {"type": "string", "minLength": 1}},
                },
            },
            "gates": [
                {"kind": "files", "within": ["notes/**"]},
                {"kind": "expr", "assert": "${artifacts.greeting.text != 'no'}"},
                {"kind": "approval", "assurance": "client"},
            ],
        }
    ],
}


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """The folder of the template ``hello``."""
    folder = tmp_path / "templates" / "hello"
    folder.mkdir(parents=True)
    (folder / "template.json").write_text(json.dumps(HELLO), encoding="utf-8")
    return folder


@pytest.fixture
def playground(tmp_path: Path, hello: Path) -> Generator[Playground]:
    with Playground(tmp_path / "play", templates=[hello]) as made:
        yield made


@pytest.fixture
def stub(tmp_path: Path) -> Callable[[str], list[str]]:
    """A server that runs the given lines per request; ``frame`` is what it got, ``say(...)`` answers."""

    def write(body: str) -> list[str]:
        import sys

        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        program = (
            "import json, sys\n"
            "def say(**frame):\n    print(json.dumps({'jsonrpc': '2.0'} | frame), flush=True)\n"
            f"for line in sys.stdin:\n    frame = json.loads(line)\n{lines}\n"
        )
        path = tmp_path / "stub.py"
        path.write_text(program, encoding="utf-8")
        return [sys.executable, "-S", str(path)]

    return write
