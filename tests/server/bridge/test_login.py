"""A machine is logged in by a code that a person confirms at the server, and its client is configured for it."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from tests.loopback import TLS
from tests.server.bridge.conftest import Machine, Team, started
from tests.server.bridge.test_bridge import logged_in
from tests.server.conftest import HUMAN
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Person
from wfe_mcp.engine.access import device
from wfe_mcp.engine.access.tokens import revoke_token
from wfe_mcp.engine.approvals.pin import set_pin
from wfe_mcp.workspace.system.logins import connection_to, server_url

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
PIN = "2468-1357-90"


def command(at: Machine | Team, *words: str, pin: str = "") -> "subprocess.Popen[str]":
    """``wfe-mcp`` on a developer's machine, or on that of the server."""
    given: Sequence[int] = ()
    more: list[str] = []
    if pin:
        reading, writing = os.pipe()
        os.write(writing, f"{pin}\n".encode())
        os.close(writing)
        given, more = (reading,), ["--pin-fd", str(reading)]
    return subprocess.Popen(
        [sys.executable, "-m", "wfe_mcp", *words, *more],
        cwd=at.root,
        env=at.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if "--json" in words else subprocess.STDOUT,
        text=True,
        pass_fds=given,
    )


def said(process: "subprocess.Popen[str]") -> str:
    return process.communicate(timeout=120)[0]


def form(team: Team, path: str, **given: str) -> httpx2.Response:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with httpx2.Client(trust_env=False, verify=TLS, timeout=60) as http:
        return http.post(f"{team.running.url}/login/{path}", headers=headers, content=urlencode(given))


def person(team: Team) -> Person:
    return set_pin(team.house.engine(), PIN, HUMAN)


@pytest.mark.attack("a person is sent the code of a stranger's login (device-code phishing)", "held", "#31")
def test_a_login_that_a_person_confirms_lets_the_machine_work(team: Team) -> None:
    ada = team.machine(token="")
    person(team)
    login = command(ada, "login", team.running.url)
    assert login.stdout is not None
    code = re.search(r"[A-Z]{4}-[A-Z]{4}", login.stdout.readline())
    assert code is not None
    told = said(command(team, "token", "confirm", code[0], pin=PIN))
    assert "127.0.0.1" in told
    assert "A code that another person sent you" in " ".join(told.split())
    assert "Logged in" in said(login)
    (kept,) = (ada.folder / ".local/share/wfe-mcp/logins").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    run = started(ada.connect())
    with team.house.engine().store.read() as tx:
        assert tx.runs.find(team.house.engine().project_id, run)
    assert "difference" not in said(command(team, "verify")), "it claims no decision of the person"
    text = json.loads(kept.read_text())["token"]
    said(command(ada, "install", "--client", "claude-code", "--server", team.running.url, "--yes"))
    assert "has no login" not in said(command(ada, "doctor"))
    assert "Logged out" in said(command(ada, "logout", team.running.url))
    assert not kept.exists()
    assert f"fix: wfe-mcp login {team.running.url}" in " ".join(said(command(ada, "doctor")).split())
    assert team.running.post({}, Authorization=f"Bearer {text}").status_code == 401


@pytest.mark.attack("doctor sends WFE_TOKEN to a server that a file of the project names", "held", "#31")
def test_doctor_says_that_a_login_has_ended_and_sends_no_other_token(team: Team) -> None:
    ada = team.machine()
    said(command(ada, "install", "--client", "claude-code", "--server", team.running.url, "--yes"))
    logged_in(ada, ada.token)
    revoke_token(team.house.engine(), HUMAN, "ada")
    assert "Ready to run" in said(command(ada, "doctor")), "WFE_TOKEN may be for another server"
    ada.token = ""
    shown = " ".join(said(command(ada, "doctor")).split())
    assert "Ready to run" not in shown
    assert f"the login at {team.running.url} has ended; fix: wfe-mcp login {team.running.url}" in shown


def test_a_login_at_a_name_that_is_not_the_servers_says_which_address_is(team: Team) -> None:
    port = team.running.url.rpartition(":")[2]
    refused = json.loads(said(command(team.machine(token=""), "--json", "login", f"http://other.localhost:{port}")))
    assert refused["error"]["code"] == "unavailable"
    assert f"answers at http://localhost:{port} only" in refused["error"]["message"]


@pytest.mark.attack("a login code is guessed, used twice, or its text hides who asked", "held", "#31")
def test_a_code_counts_once_for_a_time_and_not_for_guesses(team: Team) -> None:
    engine, by = team.house.engine(), person(team)
    assert form(team, "token", grant_type=GRANT, device_code="guess").json()["error"] == "expired_token"
    answer: dict[str, Any] = form(team, "device", user="eve", machine="laptop\x1b[2J\nOK").json()
    assert "verification_uri" not in answer, "no page takes the code"
    code, asked = str(answer["device_code"]), device.pending_request(engine, str(answer["user_code"]).lower())
    assert "\x1b" not in asked.warning
    assert "\n" not in asked.warning
    assert form(team, "token", grant_type=GRANT, device_code=code).json()["error"] == "authorization_pending"
    device.confirm_device(engine, by, asked.user_code, engine.project_id)
    with pytest.raises(Refused, match="No login waits"):
        device.confirm_device(engine, by, asked.user_code, engine.project_id)
    taken = device.take(engine, code)
    assert taken is not None
    assert (taken[0].scope, taken[0].owner, taken[0].project) == ("work", by.actor, engine.project_id)
    with pytest.raises(Refused, match="used before"):
        device.take(engine, code)


@pytest.mark.attack("login requests flood the server", "held", "#31")
def test_logins_that_no_person_confirms_are_few(team: Team) -> None:
    answers = [form(team, "device", user="eve", machine=str(number)).status_code for number in range(7)]
    assert answers == [200] * 5 + [429] * 2


@pytest.mark.attack("an agent confirms a login itself", "held", "#31")
def test_no_program_confirms_a_login(team: Team) -> None:
    engine = team.house.engine()
    _, asked = device.begin(engine, "eve", "laptop", "127.0.0.1")
    refused = json.loads(said(command(team, "--json", "token", "confirm", asked.user_code)))
    assert refused["error"]["code"] == "needs_human"


@pytest.mark.parametrize("client", ["claude-code", "codex", "gemini-cli", "opencode", "cursor"])
@pytest.mark.parametrize("way", [(), ("--http",)], ids=["bridge", "http"])
def test_a_client_is_configured_either_way_and_uninstall_restores_every_byte(
    team: Team, client: str, way: tuple[str, ...]
) -> None:
    ada = team.machine()
    url = team.running.url
    before = {each: each.read_bytes() for each in ada.root.rglob("*") if each.is_file() and ".git" not in each.parts}
    words = ("install", "--client", client, "--server", url, *way, "--yes", "--json")
    found = json.loads(said(command(ada, *words)))
    if client == "cursor" and way:
        assert found["error"]["code"] == "unavailable"
        return
    (made,) = found["data"]["clients"]
    text = Path(made["file"]).read_text(encoding="utf-8")
    assert (f"{url}/mcp" if way else url) in text
    assert ("WFE_TOKEN" in text) is bool(way)
    assert ada.token not in text
    shown = said(command(ada, "doctor"))
    for each in ("wfe-mcp trust", "wfe-mcp init", "reviewer", "passkeys"):
        assert each not in shown, "it does nothing for runs at a server"
    assert f"people decide at {url}" in " ".join(shown.split())
    assert f"{'at' if way else 'over a bridge to'} {url}, which answers" in " ".join(shown.split()) or client == "codex"
    said(command(ada, "uninstall", "--client", client, "--yes"))
    after = {each: each.read_bytes() for each in ada.root.rglob("*") if each.is_file() and ".git" not in each.parts}
    assert after == before


def test_who_connects_a_client_over_http_learns_where_its_token_is_made(team: Team) -> None:
    ada, url = team.machine(), team.running.url
    shown = said(command(ada, "install", "--client", "codex", "--server", url, "--http", "--yes"))
    assert f"a token of {url}: one from {url}/access, or of wfe-mcp token create on its machine" in " ".join(
        shown.split()
    )


@pytest.mark.attack("a token goes to a server without TLS", "held", "#31")
def test_a_token_is_sent_to_no_server_without_tls_elsewhere(team: Team) -> None:
    ada = team.machine(token="")
    for url in ("http://wfe.example", "wfe.example", "https://wfe.example/path", "https://ada@wfe.example"):
        refused = json.loads(said(command(ada, "--json", "login", url)))
        assert refused["error"]["code"] == "bad_argument"


def test_a_name_below_localhost_is_this_machine_and_no_resolver_is_asked(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = team.running.url.rpartition(":")[2]
    url = server_url(f"http://wfe.localhost:{port}")
    monkeypatch.setattr("socket.getaddrinfo", _of_localhost_alone(socket.getaddrinfo))
    with closing(connection_to(url, 60.0)) as connection:
        connection.request("GET", "/readyz")
        assert connection.sock is not None
        assert connection.sock.getpeername()[0] in {"127.0.0.1", "::1"}


def _of_localhost_alone(found: Callable[..., Any]) -> Callable[..., Any]:
    def asked(host: str, *rest: Any, **more: Any) -> Any:
        assert host == "localhost"
        return found(host, *rest, **more)

    return asked
