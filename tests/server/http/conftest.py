"""A real ``wfe-mcp server`` on a free port, and agents that talk to it with tokens."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.loopback import TLS
from tests.server.conftest import DRILL, HUMAN, House
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.access.tokens import Scope, create_token
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.workflow.load import digest

ADA = By("ada", Channel.CLI, Assurance.HUMAN)


@dataclass
class Running:
    """The process, and the tokens that were made for it."""

    house: House
    more: tuple[str, ...] = ()
    process: "subprocess.Popen[str]" = field(init=False)
    url: str = ""

    def start(self, port: int = 0, tree: Path | None = None) -> None:
        """``tree``: run the package that lies there."""
        argv = [sys.executable, "-m", "wfe_mcp", "--json", "server", "--port", str(port), *self.more]
        self.process = subprocess.Popen(
            argv,
            cwd=self.house.root,
            env=self.house.environment | ({} if tree is None else {"PYTHONPATH": str(tree)}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        self.url = str(answer["data"]["url"])

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def end(self, number: int = signal.SIGTERM) -> str:
        """What it wrote as its log."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, log = self.process.communicate(timeout=30)
        return log

    def token(self, name: str = "bot", scope: Scope = "work", *, everywhere: bool = False, **more: Any) -> str:
        engine = self.house.engine()
        return create_token(engine, ADA, name, scope, project="" if everywhere else engine.project_id, **more)[1]

    @asynccontextmanager
    async def agent(self, token: str, era: str = "auto", **callbacks: Any) -> AsyncGenerator[Client]:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(trust_env=False, verify=TLS, timeout=60, headers=headers) as http,
            Client(streamable_http_client(f"{self.url}/mcp", http_client=http), mode=era, **callbacks) as connected,
        ):
            yield connected

    def post(self, body: object = None, path: str = "/mcp", **headers: str) -> httpx2.Response:
        """One request past any client."""
        sent = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json", **headers}
        with httpx2.Client(trust_env=False, verify=TLS, timeout=60) as http:
            return http.post(self.url + path, headers=sent, content=json.dumps(body or {}))


Agent = Callable[..., AbstractAsyncContextManager[Client]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def running(house: House) -> Iterator[Running]:
    made = Running(house)
    made.start()
    yield made
    made.end()


@pytest.fixture
def team(house: House, postgres_url: str) -> House:
    """The project with its database on PostgreSQL."""
    house.environment["WFE_DATABASE_URL"] = postgres_url
    engine = house.engine()
    with engine.store.tx() as tx:
        tx.trust.give(engine.project_id, trust_key("drill"), digest(DRILL), HUMAN, utc_now())
    configure(house, (house.root / ".wfe" / "config.toml").read_text(encoding="utf-8"))
    return house


def configure(house: House, text: str) -> None:
    """Write the project's configuration, which a person trusts."""
    engine, file = house.engine(), (house.root / ".wfe" / "config.toml").resolve()
    file.write_text(text, encoding="utf-8")
    with engine.store.tx() as tx:
        tx.trust.give(engine.project_id, str(file), sha256_hex(file.read_bytes()), HUMAN, utc_now())


@pytest.fixture
def other_project(house: House, tmp_path: Path) -> House:
    """Another project of the same database."""
    root = tmp_path / "other"
    subprocess.run(["git", "init", "-q", "--template=", str(root)], check=True)
    return House(root, house.environment, engines=house.engines)
