"""A real server that people log in to, with a provider of this machine, and browsers of theirs."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from playwright.sync_api import Browser as Chromium

from tests.dashboard.chromium import Tab
from tests.loopback import TLS
from tests.server.conftest import House
from tests.server.http.conftest import Running, free_port
from tests.server.people.provider import CLIENT, SECRET, Provider

HOST = "wfe.localhost"
FROM_ELSEWHERE = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
"""What a browser says of a tab that a page of another site sends."""


@dataclass
class Team:
    """The server at ``origin``, and its provider. ``workers``: further processes of it, by their ports."""

    running: Running
    provider: Provider
    origin: str
    workers: list[Running] = field(default_factory=list[Running])

    def browser(self) -> "Client":
        return Client(self)


@dataclass
class Client:
    """A browser without a screen: it keeps cookies, and follows each step by itself."""

    team: Team
    cookies: dict[str, str] = field(default_factory=dict[str, str])
    turn: int = 0

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        every = [self.team.running, *self.team.workers]
        self.turn += 1
        port = every[self.turn % len(every)].port
        sent = {"host": self.team.origin.partition("://")[2], **headers}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        is_form = sent.get("content-type") == "application/x-www-form-urlencoded"
        content = None if body is None else urlencode(body) if is_form else json.dumps(body)
        if body is not None and not is_form:
            sent |= {"content-type": "application/json"}
        with httpx2.Client(trust_env=False, verify=TLS, timeout=30) as http:
            found = http.request(method, f"http://127.0.0.1:{port}{path}", headers=sent, content=content)
        for line in found.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return found

    def provider_answer(self, to: str = "/app/") -> str:
        """The path with which the provider sends the browser back."""
        begun = self.send("GET", f"/login?to={to}")
        with httpx2.Client(trust_env=False, verify=TLS, timeout=30) as http:
            asks = http.get(begun.headers["location"]).text
        return html.unescape(asks.partition('href="')[2].partition('"')[0]).removeprefix(self.team.origin)

    def log_in(self, to: str = "/app/") -> httpx2.Response:
        return self.send("GET", self.provider_answer(to), **FROM_ELSEWHERE)

    def fill(self, page: str, action: str, to: str = "", **fields: str) -> httpx2.Response:
        """Send the form of ``page`` that goes to ``action``, with its own token, as a browser would. ``to``: elsewhere."""
        shown = self.send("GET", page).text
        form = re.search(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', shown, re.DOTALL)
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[1] if form else ""))
        headers = {"content-type": "application/x-www-form-urlencoded", "origin": self.team.origin}
        return self.send("POST", to or action, {**hidden, **fields}, **headers)

    def api(self, method: str, path: str, body: object = None, **headers: str) -> httpx2.Response:
        return self.send(method, f"/api/v1{path}", body, origin=self.team.origin, **headers)


def of_another_project(team: Team, other: House, who: str) -> Client:
    """``who``, logged in with a role in the project ``other`` alone; the server is started again for it."""
    config = Path(team.running.house.environment["XDG_CONFIG_HOME"], "wfe-mcp", "config.toml")
    role = (
        f'[server.roles.elsewhere]\nrole = "admin"\ngroups = ["others"]\nprojects = ["{other.engine().project_id}"]\n'
    )
    with config.open("a", encoding="utf-8") as file:
        file.write(role)
    port = int(team.origin.rpartition(":")[2])
    team.running.end()
    team.running.start(port)
    team.running.url = f"http://127.0.0.1:{port}"
    team.provider.person, team.provider.claims = who, {"groups": ["others"]}
    browser = team.browser()
    assert browser.log_in().status_code == 303
    return browser


@pytest.fixture
def team(house: House, tmp_path: Path) -> Iterator[Team]:
    provider = Provider()
    provider.start()
    port = free_port()
    origin = f"http://{HOST}:{port}"
    config = tmp_path / "own" / "config.toml"
    config.parent.mkdir()
    name = house.root.name
    roles = "".join(
        f'[server.roles.{role}s]\nrole = "{role}"\ngroups = ["shop-{role}s"]\nprojects = ["{name}"]\n'
        for role in ("reader", "author", "approver", "admin")
    )
    login = f'[server.login]\nissuer = "{provider.url}"\nclient_id = "{CLIENT}"\n'
    config.write_text(f'[server]\norigin = "{origin}"\n{login}{roles}', encoding="utf-8")
    house.environment |= {"WFE_OIDC_SECRET": SECRET, "XDG_CONFIG_HOME": str(config.parent)}
    (config.parent / "wfe-mcp").mkdir()
    config.rename(config.parent / "wfe-mcp" / "config.toml")
    running = Running(house)
    running.start(port)
    running.url = f"http://127.0.0.1:{port}"
    made = Team(running, provider, origin)
    yield made
    for each in (running, *made.workers):
        each.end()
    provider.stop()


@pytest.fixture
def tab(chromium: Chromium) -> Iterator[Tab]:
    made = Tab.open(chromium)
    yield made
    made.close()
