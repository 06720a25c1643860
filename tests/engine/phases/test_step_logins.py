"""What an `http` step logs in with: a credential of trusted configuration, for one origin alone."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.engine.conftest import home
from tests.engine.scene import HUMAN, Scene
from tests.engine.step_scene import configure, rows, steps
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.credentials.stored import add_credential

__all__ = ["home"]
pytestmark = pytest.mark.usefixtures("home")

TOKEN = "api-canary-0123456789"


class Api(ThreadingHTTPServer):
    """A server that keeps the headers of its requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.seen: list[dict[str, str]] = []


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers that it was sent."""

    def do_GET(self) -> None:
        content = json.dumps(dict(self.headers)).encode()
        assert isinstance(self.server, Api)
        self.server.seen.append(dict(self.headers))
        self.send_response(200 if self.path == "/ok" else 500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def asked(scene: Scene, api: Api, login: str, path: str = "ok") -> tuple[str, dict[str, str]]:
    """A run whose step asks ``path``, and the headers that came."""
    origin = f"http://127.0.0.1:{api.server_port}"
    configure(scene, "[http]", f'allow = ["{origin}"]', f'logins = {{ "{origin}/" = "{login}" }}')
    run = scene.start(steps({"id": "ask", "http": {"url": f"{origin}/{path}"}}))
    scene.work()
    return run, api.seen[-1] if api.seen else {}


@pytest.mark.parametrize(
    ("login", "header", "value"),
    [
        ("acme", "Authorization", f"Bearer {TOKEN}"),
        ("acme X-Api-Key", "X-Api-Key", TOKEN),
        ("db", "Authorization", f"Basic {base64.b64encode(f'ada:{TOKEN}'.encode()).decode()}"),
    ],
)
@pytest.mark.requirement("S4-32")
def test_a_step_logs_in_with_its_credential_and_keeps_no_value(
    scene: Scene, api: Api, login: str, header: str, value: str
) -> None:
    add_credential(scene.engine, HUMAN, "acme", "token", {"token": TOKEN}, kept_in="stored")
    parts = {"username": "ada", "password": TOKEN}
    add_credential(scene.engine, HUMAN, "db", "basic_auth", parts, kept_in="stored")
    run, seen = asked(scene, api, login)
    assert seen[header] == value
    row = rows(scene, run)["ask"]
    assert "[hidden]" in str(row.output) and TOKEN not in str(row) and value not in str(row)
    with scene.store.read() as tx:
        (event,) = tx.events.of_types(RunId(run), "CredentialGiven")
    assert dict(event.payload) == {"credential": login.split()[0], "to": "step ask", "phase": "ci", "attempt": 1}


@pytest.mark.attack("a server answers an error with the login that it was sent", "held", "T3")
def test_the_fault_of_a_step_has_no_value(scene: Scene, api: Api) -> None:
    add_credential(scene.engine, HUMAN, "acme", "token", {"token": TOKEN}, kept_in="stored")
    run, seen = asked(scene, api, "acme", "broken")
    assert TOKEN in seen["Authorization"]
    assert TOKEN not in str(rows(scene, run)["ask"]) and "answered 500" in str(rows(scene, run)["ask"])


def test_without_the_credential_nothing_is_sent(scene: Scene, api: Api) -> None:
    run, seen = asked(scene, api, "acme")
    assert seen == {}
    assert "wfe-mcp credential add acme" in str(rows(scene, run)["ask"])
    assert scene.status(run).waiting_on == "human"
    add_credential(scene.engine, HUMAN, "acme", "token", {"token": TOKEN}, kept_in="stored")
    scene.status(run)
    scene.work()
    assert api.seen[-1]["Authorization"] == f"Bearer {TOKEN}"
    assert rows(scene, run)["ask"].tries == 1
