"""A receiver of webhooks on this machine, which can be slow, wrong, talkative, killed and started again."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.engine.scene import HUMAN, Scene
from wfe_mcp.engine.webhooks.deliveries import WebhookDelivery, deliveries
from wfe_mcp.engine.webhooks.signing import rotate, secrets_of
from wfe_mcp.workspace.config.event_tables import WebhookSettings


@dataclass(frozen=True)
class Heard:
    """One request, as its bytes came."""

    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.content)


Answer = Callable[[Heard], "tuple[int, dict[str, str], bytes] | None"]


@dataclass
class Receiver:
    """``answer``: status, headers and body for a request; None closes the connection without one."""

    heard: list[Heard] = field(default_factory=list[Heard])
    answer: Answer = lambda _: (204, {}, b"")
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/in/secret-path"

    @property
    def accepted(self) -> list[Heard]:
        """Each message once, as it came first."""
        return list({one.id: one for one in reversed(self.heard)}.values())[::-1]

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                heard = Heard(self.path, {name.lower(): value for name, value in self.headers.items()}, content)
                receiver.heard.append(heard)
                found = receiver.answer(heard)
                if found is None:
                    self.close_connection = True
                    return
                status, headers, body = found
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # the sender has read enough

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def receiving(scene: Scene, *, trusted: bool = True, **keys: Any) -> Generator[Receiver]:
    """A receiver that the project's configuration names ``n8n``, with a secret."""
    receiver = Receiver()
    receiver.start()
    configure(scene, receiver, trusted=trusted, **keys)
    if trusted:
        rotate(scene.engine, HUMAN, "n8n", hook_of(scene))
    try:
        yield receiver
    finally:
        receiver.stop()


def configure(scene: Scene, receiver: Receiver, *, trusted: bool = True, **keys: Any) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"url": receiver.url, **keys}.items()]
    allow = f"[http]\nallow = [{json.dumps(receiver.origin)}]\n"
    scene.write(".wfe/config.toml", "\n".join(["[webhooks.n8n]", *lines, allow]))
    if trusted:
        scene.trust_config()


def hook_of(scene: Scene) -> WebhookSettings:
    return scene.engine.settings().settings.webhooks["n8n"]


def secrets(scene: Scene) -> list[str]:
    return secrets_of(scene.engine, "n8n", hook_of(scene))


def states(scene: Scene) -> list[str]:
    """The states of all deliveries, oldest first."""
    return [each.state for each in listed(scene)]


def listed(scene: Scene) -> list[WebhookDelivery]:
    return deliveries(scene.engine, limit=1000)[::-1]
