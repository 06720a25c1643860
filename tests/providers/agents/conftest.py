"""Fixtures: a stub that replays the output of a command-line agent, and a recording listener."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.jobs.child import run_child
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.providers.agents import LaunchContext
from wfe_mcp.providers.call import Connection, Estimate, Limits, ProviderFault, Task, ToolResult, Usage
from wfe_mcp.workspace.config.provider_kinds import ProviderKind

RECORDED = Path(__file__).parent / "recorded"
PLACE = ".wfe/runs/r1/build/1/output.json"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]}

STUB = """
import json, os, pathlib, signal, sys, time
here = pathlib.Path(__file__).parent
prompt = sys.stdin.buffer.read().decode()
seen = {"argv": sys.argv[1:], "prompt": prompt, "env": dict(os.environ), "cwd": os.getcwd(), "pid": os.getpid()}
(here / "seen.json").write_text(json.dumps(seen))
for do, what in json.loads((here / "play.json").read_text()):
    if do == "say":
        sys.stdout.buffer.write(what.encode() + b"\\n")
        sys.stdout.flush()
    elif do == "complain":
        print(what, file=sys.stderr, flush=True)
    elif do == "write":
        pathlib.Path(what[0]).write_text(what[1], encoding="utf-8")
    elif do == "run":
        exec(what)
    elif do == "sleep":
        time.sleep(what)
    elif do == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "exit":
        sys.exit(what)
"""


@dataclass
class Ear:
    """A listener that remembers."""

    events: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])

    def before_call(self, connection: Connection, estimate: Estimate) -> None:
        self.events.append(("before", estimate))

    def after_call(self, connection: Connection, usage: Usage, fault: ProviderFault | None) -> None:
        self.events.append(("after", (usage, fault and fault.kind)))

    def said(self, text: str) -> None:
        self.events.append(("said", text))

    def tool_started(self, call_id: str, name: str, given: Mapping[str, Any]) -> None:
        self.events.append(("started", (call_id, name, dict(given))))

    def tool_ended(self, call_id: str, name: str, result: ToolResult, duration_s: float) -> None:
        assert duration_s >= 0
        self.events.append(("ended", (call_id, name, result.ok, result.text)))

    def all(self, kind: str) -> list[Any]:
        return [what for each, what in self.events if each == kind]


class Stub:
    """A program that does as it is asked, in place of an agent."""

    def __init__(self, folder: Path, root: Path) -> None:
        folder.mkdir()
        root.mkdir()
        self.folder, self.root, self.ear = folder, root, Ear()
        self.log = root.parent / "agent.log"
        self.program = folder / "stub.py"
        self.program.write_text(STUB, encoding="utf-8")

    def plays(self, *steps: tuple[str, Any]) -> None:
        (self.folder / "play.json").write_text(json.dumps(steps), encoding="utf-8")

    def replays(self, kind: ProviderKind, case: str, *after: tuple[str, Any]) -> None:
        self.plays(*(("say", line) for line in recorded(kind, case)), *after)

    def connection(self, kind: ProviderKind, **other: Any) -> Connection:
        given: dict[str, Any] = {
            "argv": (sys.executable, str(self.program)),
            "fs_ability": "local-write",
            "total_s": 120.0,
        }
        return Connection("helper", kind, **(given | other))

    @property
    def seen(self) -> dict[str, Any]:
        return json.loads((self.folder / "seen.json").read_text(encoding="utf-8"))

    def launch(
        self,
        run: Callable[..., Any] = run_child,
        source: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> LaunchContext:
        def environment(names: Iterable[str]) -> dict[str, str]:
            return child_env(names, source)

        return LaunchContext(self.root, run, environment, self.log, clock)


def recorded(kind: ProviderKind, case: str) -> list[str]:
    """The lines that an agent of this kind really printed."""
    return (RECORDED / kind / f"{case}.jsonl").read_text(encoding="utf-8").splitlines()


def text_line(kind: ProviderKind, text: str) -> tuple[str, str]:
    """What the agent prints when its model says ``text``."""
    records: dict[ProviderKind, dict[str, Any]] = {
        "claude-code": {"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}},
        "codex": {"type": "item.completed", "item": {"id": "item_9", "type": "agent_message", "text": text}},
        "gemini-cli": {"type": "message", "role": "assistant", "content": text, "delta": True},
    }
    return ("say", json.dumps(records[kind]))


def task(**limits: Any) -> Task:
    return Task("Build it.", SCHEMA, "You are careful.", limits=Limits(**limits))


@pytest.fixture
def stub(tmp_path: Path) -> Stub:
    return Stub(tmp_path / "program", tmp_path / "project")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of anyone who runs the tests reaches a stub."""
    for name in [each for each in os.environ if each.endswith(("_API_KEY", "_BASE_URL"))]:
        monkeypatch.delenv(name)
