"""``wfe-mcp login`` and ``logout``: this machine at a server, for the runs of this project that are there."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from typing import Annotated, Any, cast
from urllib.parse import urlencode

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.system.process import user_name

Url = Annotated[str, typer.Argument(metavar="URL", help="The address of the server: https://wfe.example.")]
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_WAITS = ("authorization_pending", "temporarily_unavailable")
"""The errors after which the machine asks again."""
_ANSWER_S = 30.0
_MOST_BYTES, _SHOWN_BYTES = 100_000, 200


def login(invocation: Invocation, url: Url) -> None:
    """Log this machine in at a server, for this project.

    It shows a code, which you confirm at the server; then your client may work over the bridge: wfe-mcp install --server URL. The token
    is kept in your data folder, in a file that only you read.
    """
    from wfe_mcp.workspace.system.logins import Login, keep_login, server_url

    url = server_url(url)
    _, asked = _post(url, "device", {"user": user_name(), "machine": platform.node()})
    if "user_code" not in asked:
        raise Refused("unavailable", _why(asked), "Try again later.")
    code, interval = str(asked["user_code"]), float(asked["interval"])
    screen = invocation.screen
    screen.aside(f"The code of this login is {code}. It counts once, for {int(asked['expires_in']) // 60} minutes.")
    page, terminal = str(asked.get("verification_uri", "")), f"wfe-mcp token confirm {code}"
    if page:
        screen.aside("Type it at this address, or at the terminal of the server:")
        screen.aside(page, is_pasted=True)
        screen.aside(terminal, is_pasted=True)
    else:
        screen.aside(f"Confirm it in a terminal of the server's machine, in the project's folder: {terminal}")
    screen.flush()
    end = time.monotonic() + float(asked["expires_in"])
    while time.monotonic() < end:
        time.sleep(interval)
        try:
            _, answer = _post(url, "token", {"grant_type": _GRANT, "device_code": str(asked["device_code"])})
        except Refused:  # the server, or a proxy before it, restarts: the code counts all the same
            continue
        if "access_token" in answer:
            name, ends = str(answer["name"]), str(answer["expires_at"])
            keep_login(Login(url, name, str(answer["access_token"])), invocation.project)
            summary = f"Logged in at {url} as {name} until {ends[:10]}. Now: wfe-mcp install --server {url}"
            invocation.answer(summary, data={"url": url, "name": name, "expires_at": ends})
            return
        if answer.get("error") not in _WAITS:
            raise Refused("unauthorized", f"The login was not confirmed: {_why(answer)}", f"wfe-mcp login {url}")
    raise Refused("unauthorized", "The login was not confirmed in time.", f"wfe-mcp login {url}")


def logout(invocation: Invocation, url: Url) -> None:
    """End the login of this machine at a server.

    It is that of this project: the token is revoked there, and removed here.
    """
    from wfe_mcp.workspace.system.logins import forget_login, login_of, server_url

    url = server_url(url)
    web_login = login_of(url, invocation.project, {})
    if web_login is None:
        invocation.answer(f"You are not logged in at {url}; nothing to do.", data={"url": url})
        return
    try:
        status = f"HTTP {_post(url, 'revoke', {'token': web_login.token})[0]}"
    except Refused as refused:
        status = refused.message
    note = "" if status == "HTTP 200" else f" Revoke it there ({status}): wfe-mcp token revoke {web_login.name}"
    forget_login(url, invocation.project)
    invocation.answer(f"Logged out at {url}.{note}", data={"url": url, "name": web_login.name})


def _post(url: str, path: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and answer of a form. Refuses ``unavailable`` where no such server answers."""
    from http import client

    from wfe_mcp.workspace.system.logins import connection_to

    connection = connection_to(url, _ANSWER_S)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", f"/login/{path}", urlencode(form), headers)
        response = connection.getresponse()
        text = response.read(_MOST_BYTES)
    except (OSError, client.HTTPException) as fault:
        raise Refused("unavailable", f"No server answers at {url}: {fault}", _next(fault)) from None
    finally:
        connection.close()
    try:
        value: object = json.loads(text)
    except ValueError:
        what = f"What answers at {url} is no server with logins: HTTP {response.status} {text[:_SHOWN_BYTES].decode(errors='replace')}"
        hint = "Give the address that the server has for others: https://wfe.example"
        raise Refused("unavailable", what.strip(), hint) from None
    return response.status, cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _next(fault: Exception) -> str:
    import ssl

    if isinstance(fault, ssl.SSLCertVerificationError):
        return "If a private authority signed its certificate, name the file of that authority: SSL_CERT_FILE=FILE"
    return "Is the address right, and the server up?"


def _why(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error_description") or answer.get("error") or "it answers otherwise than expected")
