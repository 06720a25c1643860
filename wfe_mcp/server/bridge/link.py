"""The connection of a bridge to its server: one request over HTTP each, and what its failure means.

    nothing was sent            unavailable: nothing happened
    the answer did not come     unavailable: the call may have been made; ``status`` shows it
    401                         unauthorized: log in again
    no ``Wfe-Bridge``           unavailable: something else answers there, or another version; of 421 the server says which
                                address is its own
    413 of a proxy              too_large: it is the same the next time

The token is read for each request: after a new login the next call works.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, cast

from wfe_mcp.core.bridge import LARGER_REQUESTS, PROTOCOL
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import CODES, Code, Refused
from wfe_mcp.workspace.system.location import Project
from wfe_mcp.workspace.system.logins import connection_to, login_of, server_url

_CONNECT_S, _ANSWER_S = 10.0, 900.0
_MOST_BYTES, _SHOWN_BYTES = 64_000_000, 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered. ``tree``: the snapshot of the files that the call left, where they are other ones."""

    status: int
    tree: str
    content: dict[str, Any]


class Link:
    """The server at ``url``, for the developer of ``project``."""

    def __init__(self, url: str, project: Project) -> None:
        self.url, self._project = server_url(url), project
        self._known: tuple[str, dict[str, str]] = "", {}

    @property
    def token(self) -> str:
        """The text of the token. Refuses ``unauthorized`` without a login."""
        login = login_of(self.url, self._project, os.environ)
        if login is None:
            raise Refused("unauthorized", f"You are not logged in at {self.url}.", self._log_in)
        return login.token

    @property
    def name(self) -> str:
        """The name of the token, as the server knows it."""
        return self._about()["token"]

    @property
    def git(self) -> str:
        """The address of the server's repository of the project."""
        return f"{self.url}/git/{self._about()['project']}"

    def _about(self) -> dict[str, str]:
        token = self.token
        if self._known[0] != token:
            self._known = token, cast("dict[str, str]", self.ask("GET", "/bridge").content)
        return self._known[1]

    @property
    def _log_in(self) -> str:
        return f"Ask the user to log in, in a terminal in this project: wfe-mcp login {self.url}"

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        opened: Callable[[http.client.HTTPConnection], object] | None = None,
    ) -> Answer:
        """The answer to one request, 200 or 409. Refuses every other, and ``unavailable`` where none came.

        ``opened``: gets the connection, which another thread may cut.
        """
        token, connection = self.token, connection_to(self.url, _CONNECT_S)
        try:
            connection.connect()
            connection.sock.settimeout(_ANSWER_S)
        except OSError as fault:
            raise Refused(
                "unavailable",
                f"The server {self.url} does not answer: {fault.strerror or fault}. Nothing was sent.",
                "Wait and call again; what was recorded there is kept. The user can look: wfe-mcp doctor",
            ) from None
        try:
            if opened is not None:
                opened(connection)
            sent = {
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "Accept": "application/json, text/event-stream",
                "Wfe-Bridge": PROTOCOL,
                **(headers or {}),
            }
            connection.request(method, path, None if body is None else json.dumps(body).encode(), sent)
            response = connection.getresponse()
            content = response.read(_MOST_BYTES)
            bridge, tree = response.getheader("wfe-bridge") or "", response.getheader("wfe-tree") or ""
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as fault:
            raise Refused(
                "unavailable",
                f"The connection to {self.url} ended before the answer came ({fault or type(fault).__name__}): the call may "
                "have been made there, or not.",
                "Call status to see. It is safe to repeat the call: the same artifact is not submitted twice, and start_run "
                "with the same idempotency_key returns the same run.",
            ) from None
        finally:
            connection.close()
        return self._check_answer(response.status, bridge, tree, content)

    def _check_answer(self, status: int, bridge: str, tree: str, content: bytes) -> Answer:
        try:
            value: object = json.loads(content) if content.strip() else {}
        except ValueError:
            value = None
        if bridge != PROTOCOL or not isinstance(value, dict):
            if status == 413 and not bridge:
                raise Refused("too_large", f"A proxy before {self.url} takes no request of this size.", LARGER_REQUESTS)
            why = "its proxy has no server behind it" if status >= 500 else "no bridge is there"
            if status == 421 and content:
                why = content[:_SHOWN_BYTES].decode(errors="replace").strip().rstrip(".")
            if bridge:
                why = f"it speaks version {bridge[:9]} of the bridge, and this program {PROTOCOL}"
            raise Refused(
                "unavailable",
                f"{self.url} cannot be worked with (HTTP {status}): {why}.",
                "Call again when the server is back. Else ask the user whether the address is right, and to install the same "
                "version on both machines.",
            )
        answer = cast("dict[str, Any]", value)
        error: dict[str, Any] = answer.get("error", {}) if status not in {200, 202, 409} else {}
        if status == 401:
            message = error.get("message", "the token opens nothing")
            raise Refused("unauthorized", f"{self.url}: {message}", self._log_in)
        if error.get("code") in CODES:
            raise Refused(
                cast("Code", error["code"]), error.get("message", ""), error.get("hint", ""), data=error.get("data", {})
            )
        return Answer(status, tree, answer)
