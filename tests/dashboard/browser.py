"""A browser that keeps its cookie, follows what it is sent to, and fills in forms; and one that lies about itself."""

import http.client
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

from tests.engine.scene import AGENT, Scene
from wfe_mcp.core.model import Attempt
from wfe_mcp.engine.approvals import decide as approvals

PIN = "correct horse"
WRONG = "wrong horse"
WAIT_S = 120.0


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def words(self) -> str:
        """What a person reads."""
        return _Reader.of(self.text).words

    @property
    def forms(self) -> dict[str, dict[str, str]]:
        """The fields of every form as they were sent to us, by where it goes."""
        return _Reader.of(self.text).forms


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self.forms: dict[str, dict[str, str]] = {}
        self._form = ""

    @classmethod
    def of(cls, text: str) -> "_Reader":
        made = cls()
        made.feed(text)
        return made

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self._form = given["action"]
            self.forms[self._form] = {}
        elif self._form and "name" in given and tag != "meta":
            self.forms[self._form][given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._form = "" if tag == "form" else self._form

    def handle_data(self, data: str) -> None:
        self.words += f" {data}"


@dataclass
class Browser:
    """Someone's browser."""

    port: int
    cookie: str = ""
    host: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._ask("POST", path, urlencode(fields), sent)

    def send(self, seen: Answer, path: str, **typed: str) -> Answer:
        """Fill in the form of a page that was seen, and send it; what we are led to is looked at."""
        origin = f"http://localhost:{self.port}"
        found = self.post(path, seen.forms[path] | typed, Origin=origin, **{"Sec-Fetch-Site": "same-origin"})
        return self.get(found.headers["location"]) if found.status == 303 else found

    def approve(self, request: str, pin: str = PIN, **typed: str) -> Answer:
        path = f"/decide/{request}"
        return self.send(self.get(path), f"{path}/approve", pin=pin, **typed)

    def send_pin(self, request: str, pin: str = PIN) -> Answer:
        """An approval with the PIN, typed into a form that does not ask for it."""
        path = f"/decide/{request}"
        return self.send(self.get(path), f"{path}/approve", pin=pin)

    def reject(self, request: str, pin: str = PIN, feedback: str = "too short", **typed: str) -> Answer:
        path = f"/decide/{request}"
        return self.send(self.get(path), f"{path}/reject", pin=pin, feedback=feedback, **typed)

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        sent = {"Host": self.host or f"localhost:{self.port}", **self.headers, **headers}
        if self.cookie:
            sent["Cookie"] = self.cookie
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        finally:
            connection.close()
        found = {key.lower(): value for key, value in response.getheaders()}
        if "set-cookie" in found:
            self.cookie = found["set-cookie"].partition(";")[0]
        return Answer(response.status, found, text)


def asked(scene: Scene, run: str, name: str = "plan") -> str:
    """The agent asks for the person; the id of the request."""
    return approvals.ask(scene.engine, AGENT, run, name).request.id


def last(scene: Scene, run: str, name: str = "plan") -> Attempt:
    return scene.attempt(run, name)
