"""A project with a real store, git and checks, an agent, a person, and a clock that the test moves."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, Attempt, By, Channel, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.background.daemon import new_worker
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.integrity.anchoring import stop_anchoring
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.store import Store
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.workflow.load import digest
from wfe_mcp.workspace.system.location import project_at
from wfe_mcp.workspace.system.process import ProcessIdentity, holder_id, started_at

AGENT = By()
HUMAN = By("ada", Channel.CLI, Assurance.HUMAN)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTE = {
    "type": "object",
    "required": ["title"],
    "additionalProperties": False,
    "properties": {"title": {"type": "string", "minLength": 1}, "body": {"type": "string"}},
}
GOOD = {"title": "A good title"}
LONG_ENOUGH = {"kind": "expr", "assert": "${size(artifacts.%s_note.title) > 3}"}


@dataclass
class Clock:
    """Time stands still until the test moves it."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Neighbour:
    """Another process that holds phases, alive until it is ended."""

    process: subprocess.Popen[bytes]
    holder: str

    @classmethod
    def begin(cls, host: str) -> "Neighbour":
        process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
        start = started_at(process.pid)
        assert start is not None
        return cls(process, holder_id(ProcessIdentity(host, process.pid, start)))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


def phase(name: str, *gates: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A phase whose artifact ``<name>_note`` is a note."""
    output = {"artifact": f"{name}_note", "schema": NOTE, "editable": True}
    return {"id": name, "prompt": f"Write {name}.", "output": output, "gates": list(gates), **keys}


def expr(text: str) -> dict[str, Any]:
    return {"kind": "expr", "assert": text}


def approval(assurance: str = "human", **keys: Any) -> dict[str, Any]:
    return {"kind": "approval", "assurance": assurance, **keys}


def command(check: str, **expect: Any) -> dict[str, Any]:
    return {"kind": "command", "check": check} | ({"expect": expect} if expect else {})


def refused(call: Any, *args: Any, **kwargs: Any) -> Refused:
    """The refusal of a call that must be refused."""
    try:
        found = call(*args, **kwargs)
    except Refused as no:
        return no
    raise AssertionError(f"it was not refused, but answered {found}")


@dataclass
class Scene:
    """One project, its store, and an agent at work in it."""

    root: Path
    store: Store
    clock: Clock
    environment: dict[str, str]
    engine: Engine = field(init=False)
    neighbours: list[Neighbour] = field(default_factory=list["Neighbour"])
    human: By = HUMAN
    """Who trusts templates and configuration; with a PIN, the person whose key signs it."""
    _worker: Worker | None = None

    def __post_init__(self) -> None:
        self.engine = self.process()
        assert self.engine.project_id, "known from here on"

    @property
    def url(self) -> str:
        """The address of the database, for other processes and for what goes past the store."""
        return self.store.environment["WFE_DATABASE_URL"]

    # the project

    def git(self, *args: str) -> str:
        identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
        done = subprocess.run(["git", *identity, *args], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout

    def write(self, path: str, text: str = "") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")

    def mirror(self, run: str, name: str, attempt: int, file: str) -> Path:
        return self.root / ".wfe" / "runs" / run / name / str(attempt) / file

    def check(self, name: str, code: str, *, trusted: bool = True, **keys: Any) -> None:
        """A check that runs ``code`` in Python, in trusted configuration."""
        config = self.root / ".wfe" / "config.toml"
        config.parent.mkdir(exist_ok=True)
        before = config.read_text(encoding="utf-8") if config.exists() else ""
        argv = json.dumps([sys.executable, "-S", "-c", code])
        more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        config.write_text(f"{before}[checks.{name}]\nargv = {argv}\n{more}", encoding="utf-8")
        if trusted:
            self.trust_config()

    def trust_config(self) -> None:
        settings = self.engine.settings()
        assert settings.project_file is not None
        assert settings.project_sha256 is not None
        with self.store.tx() as tx:
            tx.trust.give(
                self.engine.project_id, str(settings.project_file), settings.project_sha256, self.human, self.clock()
            )

    def define(self, *phases: dict[str, Any], name: str = "drill", trusted: bool = True, **keys: Any) -> dict[str, Any]:
        """A template of the project; ``schema`` is that of its inputs."""
        goal = {"type": "object", "properties": {"goal": {"type": "string", "minLength": 1}}}
        inputs = keys.pop("schema", goal)
        made: dict[str, Any] = {
            "format": "wfe/1",
            "name": name,
            "version": "1.0.0",
            "title": "A drill",
            "inputs": inputs,
            "phases": list(phases),
            **keys,
        }
        self.write(f".wfe/templates/{name}/template.json", json.dumps(made))
        if trusted:
            with self.store.tx() as tx:
                tx.trust.give(self.engine.project_id, trust_key(name), digest(made), self.human, self.clock())
        return made

    # processes

    def process(self, holder: str | None = None) -> Engine:
        """The engine of a server process; ``holder`` names another one than ours."""
        return create_engine(
            project_at(self.root), environment=self.environment, clock=self.clock, store=self.store, holder=holder
        )

    def neighbour(self) -> tuple[Neighbour, Engine]:
        """A second live process and its engine."""
        made = Neighbour.begin(self.engine.identity.host)
        self.neighbours.append(made)
        return made, self.process(made.holder)

    def work(self) -> int:
        """Work off every job that is due; how many there were."""
        if self._worker is None:
            self._worker = new_worker(self.engine)
        done = 0
        while self._worker.work_one():
            done += 1
            assert done < 50, "the jobs never end"
        return done

    def work_one(self) -> bool:
        """Work off one job; False when none is due."""
        if self._worker is None:
            self._worker = new_worker(self.engine)
        return self._worker.work_one()

    def close(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        stop_anchoring(self.engine)
        for neighbour in self.neighbours:
            neighbour.end()
        self.store.close()

    # an agent

    def start(self, *phases: dict[str, Any], inputs: dict[str, Any] | None = None, **keys: Any) -> str:
        """A run of a template made of ``phases``; its id. ``auto`` is the run's."""
        auto = keys.pop("auto", None)
        name = self.define(*phases, **keys)["name"]
        found = answers.start_run(self.engine, AGENT, name, inputs or {}, auto=auto)
        assert found.run is not None
        return found.run

    def begin(self, run: str, name: str = "", engine: Engine | None = None) -> Envelope:
        return answers.start_phase(engine or self.engine, AGENT, run, name)

    def submit(self, run: str, name: str, artifact: dict[str, Any] | None = None, **keys: Any) -> Envelope:
        """Submit and let the gates run."""
        engine = keys.pop("engine", self.engine)
        if "path" not in keys:
            keys["artifact"] = GOOD if artifact is None else artifact
        found = answers.submit_artifact(engine, AGENT, run, name, **keys)
        self.work()
        assert found.run is not None
        return answers.submitted_answer(engine, found.run, name, found.data["attempt"], found.data["revision"])

    def do(self, run: str, name: str, artifact: dict[str, Any] | None = None, **keys: Any) -> Envelope:
        """Begin, submit, let the gates run."""
        self.begin(run, name)
        return self.submit(run, name, artifact, **keys)

    def status(self, run: str, engine: Engine | None = None) -> Envelope:
        return answers.status(engine or self.engine, AGENT, run)

    # looking inside

    def state(self, run: str) -> RunState:
        with self.store.read() as tx:
            return self.engine.load(tx, run).state

    def attempt(self, run: str, name: str, number: int | None = None) -> Attempt:
        tries = self.state(run).attempts[PhasePath(name)]
        return tries[-1] if number is None else tries[number - 1]

    def events(self, run: str) -> list[str]:
        with self.store.read() as tx:
            return [event.type for event in tx.events.of_run(self.engine.load(tx, run).record.id)]


def moves(found: Envelope) -> list[tuple[str, str]]:
    """The next calls, as (tool, phase or action)."""
    return [(move.tool, str(move.args.get("phase") or move.args.get("action") or "")) for move in found.next]


def environment(tmp: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP") if name in os.environ}
    return {**kept, "HOME": str(tmp)}
