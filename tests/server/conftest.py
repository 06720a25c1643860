"""A project with a small template, and clients of both protocol eras that talk to a server in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine, utc_now
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.server.app import WfeServer
from wfe_mcp.server.project_session import ProjectSession
from wfe_mcp.store import Store
from wfe_mcp.workflow.load import digest
from wfe_mcp.workspace.system.location import project_at

HUMAN = By("ada", Channel.CLI, Assurance.HUMAN)
NOTE = {
    "type": "object",
    "required": ["title"],
    "additionalProperties": False,
    "properties": {"title": {"type": "string", "minLength": 1}, "body": {"type": "string"}},
}


def phase(name: str, **keys: Any) -> dict[str, Any]:
    """A phase that anyone may begin at once."""
    output = {"artifact": f"{name}_note", "schema": NOTE, "editable": True}
    return {"id": name, "needs": [], "prompt": f"Write {name}.", "output": output, **keys}


DRILL = {
    "format": "wfe/1",
    "name": "drill",
    "version": "1.0.0",
    "title": "A drill",
    "inputs": {
        "type": "object",
        "required": ["goal"],
        "properties": {"goal": {"type": "string", "minLength": 1}},
    },
    "limits": {"max_parallel": 9},
    "phases": [
        phase("plan", gates=[{"kind": "expr", "assert": "${size(artifacts.plan_note.title) > 3}"}], skip="agent"),
        phase("agreed", gates=[{"kind": "approval", "assurance": "agent"}]),
        phase("asked", gates=[{"kind": "approval", "assurance": "client"}]),
        phase("signed", gates=[{"kind": "approval", "assurance": "human"}]),
        phase("checked", gates=[{"kind": "command", "check": "ok", "expect": {"exit_code": 0}}]),
    ],
}


@dataclass
class House:
    """One project, its database, and the way in."""

    root: Path
    environment: dict[str, str]
    command: list[str] = field(default_factory=lambda: [sys.executable, "-m", "wfe_mcp", "serve"])
    engines: list[Engine] = field(default_factory=list[Engine])
    """Closed at the end of the test."""

    def server(self) -> WfeServer:
        return WfeServer(ProjectSession(str(self.root), self.environment, self.root))

    def engine(self) -> Engine:
        self.engines.append(create_engine(project_at(self.root), environment=self.environment))
        return self.engines[-1]

    @asynccontextmanager
    async def client(self, era: str, **callbacks: Any) -> AsyncGenerator[Client]:
        async with Client(self.server(), mode=era, **callbacks) as connected:
            yield connected


Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables and nothing in them: making it takes longer than most tests."""
    file = tmp_path_factory.mktemp("database") / "new.db"
    Store.open(f"sqlite:///{file}", clock=utc_now).close()
    return file


@pytest.fixture
def house(tmp_path: Path, new_database: Path) -> Iterator[House]:
    root = tmp_path / "project"
    shutil.copyfile(new_database, tmp_path / "wfe.db")
    folder = root / ".wfe" / "templates" / "drill"
    folder.mkdir(parents=True)
    (folder / "template.json").write_text(json.dumps(DRILL), encoding="utf-8")
    argv = json.dumps([sys.executable, "-c", "pass"])
    config = root / ".wfe" / "config.toml"
    config.write_text(f"[checks.ok]\nargv = {argv}\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q", "--template=", str(root)], check=True)
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP") if name in os.environ}
    made = House(root, {**kept, "HOME": str(tmp_path), "WFE_DATABASE_URL": f"sqlite:///{tmp_path / 'wfe.db'}"})
    engine = made.engine()
    project = engine.project_id
    with engine.store.tx() as tx:
        tx.trust.give(project, trust_key("drill"), digest(DRILL), HUMAN, utc_now())
        tx.trust.give(project, str(config.resolve()), sha256_hex(config.read_bytes()), HUMAN, utc_now())
    yield made
    for each in made.engines:
        each.close()


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> str:
    """Which protocol the client speaks: the handshake of 2025, or the stateless one of 2026."""
    return str(request.param)


@pytest.fixture
def connect(house: House, era: str) -> Connect:
    """Opens a client of this era: ``async with connect() as agent``."""

    def connected(**callbacks: Any) -> AbstractAsyncContextManager[Client]:
        return house.client(era, **callbacks)

    return connected


def structured(result: CallToolResult) -> dict[str, Any]:
    """The envelope in a result."""
    assert result.structured_content is not None
    return result.structured_content


async def call(agent: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The envelope that ``tool`` answers with."""
    return structured(await agent.call_tool(tool, arguments))


async def drill(agent: Client, **arguments: Any) -> str:
    """The id of a new run of the drill."""
    started = await call(agent, "start_run", template="drill", inputs={"goal": "try"}, **arguments)
    assert started["ok"], started
    return str(started["run"])


async def submitted(agent: Client, run: str, phase: str, title: str = "A good title") -> dict[str, Any]:
    """Begin ``phase`` and submit a note; the answer to that."""
    begun = await call(agent, "start_phase", run=run, phase=phase)
    assert begun["ok"], begun
    return await call(agent, "submit_artifact", run=run, phase=phase, artifact={"title": title})
