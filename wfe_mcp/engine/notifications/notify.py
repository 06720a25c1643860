"""Shows a person that they are needed: what, which run, and until when; never a title, an artifact or a reason.

    desktop    notify-send on Linux, osascript on macOS, PowerShell on Windows; found outside the project, started without a shell
    command    a program of the person; it reads one JSON object from its standard input
    apprise    the package of that name (extra ``notify``); each address is a credential

Rules:
1. Each way is tried once and alone: one that fails keeps none from the others, and the job says which failed. A message to a person of
   a server whose address does not answer now is tried again a few times, over three quarters of an hour.
2. What is done or decided meanwhile, such as by a standing grant, is dropped.
"""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.units import join_names
from wfe_mcp.engine.credentials.stored import CredentialUse, hand_out
from wfe_mcp.engine.grants.facts import ASKED_WITHIN_S, may_approve
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.engine.outbox.outbox import NOTICE, asks
from wfe_mcp.jobs.child import ChildNotStarted, run_child
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.jobs.job_context import JobContext, Outcome, RetryLater
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.workspace.config.event_tables import NotifySettings
from wfe_mcp.workspace.files.programs import outside

Severity = Literal["info", "warning", "critical"]

_ABOUT: Mapping[str, tuple[str, Severity]] = {
    "approval": ("waits for your decision", "info"),
    "stopped": ("waits for you", "warning"),
    "deployment": ("failed to deploy", "critical"),
    "test": ("is a test: notifications work", "info"),
}
"""Kind → what is said of the reference, and how severe it is."""

_TIMEOUT_S = 30.0
_AGAIN_S = 30.0
"""Until a message to a person is tried again; each further time takes four times as long."""


_TITLE = "wfe-mcp"

_APPLE = ("on run argv", f'display notification (item 1 of argv) with title "{_TITLE}"', "end run")
_WINDOWS = (
    "Add-Type -AssemblyName System.Windows.Forms, System.Drawing;"
    "$i = New-Object System.Windows.Forms.NotifyIcon;"
    "$i.Icon = [System.Drawing.SystemIcons]::Information; $i.Visible = $true;"
    f"$i.ShowBalloonTip(10000, '{_TITLE}', $env:WFE_NOTICE, 'Info'); Start-Sleep -Seconds 5; $i.Dispose()"
)
"""The text comes by a variable: PowerShell would read it as code among the arguments."""


def show(engine: Engine, context: JobContext) -> Outcome:
    """The handler of notifications."""
    payload = context.job.payload
    with engine.store.read() as tx:
        settings = engine.settings(tx).settings
        request = tx.approvals.get(payload["request"]) if payload["request"] else None
        is_over = bool(payload.get("asks")) and not _is_asked(engine, tx, payload, first=context.job.tries == 1)
    if is_over or (payload["request"] and (request is None or request.status != "open")):
        return Outcome({"dropped": "its person has done it"})
    if request is not None and payload.get("people"):
        from wfe_mcp.engine.notifications.people import send_to_people  # only where people log in

        until = request.expires_at.isoformat(timespec="seconds") if request.expires_at else ""
        about = {"reference": str(payload["reference"]), "expires_at": until}
        body = {"text": _sentence(payload | about), **about}
        done = send_to_people(engine, request.id, body, again=bool(payload["expires_at"]))
        if done.later and context.job.tries < context.job.max_attempts:
            raise RetryLater(f"no answer for {join_names(done.later)}", _AGAIN_S * 4 ** (context.job.tries - 1))
        return Outcome({"sent": done.sent, "failed": [*done.failed, *done.later]})
    shown, faults = send(engine, settings.notify, payload)
    if faults and not shown:
        raise Refused("conflict", " ".join(faults), "Try it: wfe-mcp notify test")
    return Outcome({"shown": shown, "failed": faults})


def _is_asked(engine: Engine, tx: Tx, payload: Mapping[str, Any], *, first: bool) -> bool:
    """Whether the phase, or the run, still asks for what the notification is about. ``first``: a standing grant may take it, and is waited for."""
    run, _, phase = payload["reference"].partition(" ")
    loaded = engine.load(tx, run)
    if not phase:
        return loaded.state.status == payload["asks"]
    attempt = loaded.state.current(PhasePath(phase))
    is_asked = asks(loaded.state, attempt) == payload["asks"]
    if first and is_asked and payload["kind"] == "approval" and may_approve(engine, tx, loaded, phase):
        raise RetryLater("a standing grant may approve it once the agent asks", ASKED_WITHIN_S)
    return is_asked


def send(engine: Engine, notify: NotifySettings, given: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Show one notification every way that is configured: the ways that worked, and what is wrong with the others."""
    severity, text = _ABOUT[given["kind"]][1], _sentence(given)
    values = {"event": given["kind"], "reference": given["reference"], "severity": severity, "text": text}
    values["expires_at"] = given.get("expires_at", "")
    ways: dict[str, Callable[[], None]] = {}
    if notify.desktop:
        ways["desktop"] = lambda: _desktop(engine, text, severity)
    if notify.command:
        ways["command"] = lambda: _command(engine, notify.command, json.dumps(values))
    for name in notify.apprise:
        ways[f"apprise {name}"] = lambda name=name: _apprise(engine, name, text, severity)
    shown, faults = list[str](), list[str]()
    for way, go in ways.items():
        try:
            go()
        except Refused as fault:
            faults.append(f"{way}: {fault.text}")
        else:
            shown.append(way)
    return shown, faults


def desktop_command(platform: str, text: str, severity: Severity) -> tuple[str, list[str], dict[str, str]]:
    """The program of ``platform`` that shows a notification, its arguments, and what it gets as variables."""
    if platform == "darwin":
        return "osascript", [*(word for line in _APPLE for word in ("-e", line)), text], {}
    if platform == "win32":
        return "powershell", ["-NoProfile", "-NonInteractive", "-Command", _WINDOWS], {"WFE_NOTICE": text}
    urgency = "critical" if severity == "critical" else "normal"
    return "notify-send", [f"--app-name={_TITLE}", f"--urgency={urgency}", "--", _TITLE, text], {}


def _desktop(engine: Engine, text: str, severity: Severity) -> None:
    program, arguments, more = desktop_command(sys.platform, text, severity)
    _start(engine, program, arguments, more, ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"))


def _command(engine: Engine, words: list[str], stdin: str) -> None:
    _start(engine, words[0], words[1:], {}, stdin=stdin)


def _start(
    engine: Engine,
    program: str,
    arguments: list[str],
    more: Mapping[str, str],
    names: tuple[str, ...] = (),
    stdin: str = "",
) -> None:
    """Run a program outside the project and wait for it. Refuses ``unavailable``: it is not there, or failed."""
    path = engine.environment.get("PATH", "")
    place = program if Path(program).is_absolute() else outside(program, engine.root, path)
    if place is None:
        raise Refused("unavailable", f"{program} is in no folder of PATH outside the project.", "Install it.")
    try:
        ended = run_child(
            [place, *arguments],
            cwd=Path(place).parent,
            env=child_env(names, engine.environment) | dict(more),
            timeout_s=_TIMEOUT_S,
            stdin=stdin.encode(),
        )
    except ChildNotStarted as fault:
        why = str(fault).removesuffix(".")
        hint = "Correct [notify] in your own configuration, then: wfe-mcp trust"
        raise Refused("unavailable", f"{program} cannot be started: {why}.", hint) from fault
    if ended.exit_code != 0:
        how = "did not end in time" if ended.timed_out else f"ended with {ended.exit_code}"
        raise Refused("unavailable", f"{program} {how}.", "Try it in a terminal.")


def _apprise(engine: Engine, name: str, text: str, severity: Severity) -> None:
    try:
        import apprise  # an extra; 150 ms
    except ImportError:
        raise Refused("unavailable", "Apprise is not installed.", "Install wfe-mcp[notify].") from None
    target: Any = apprise.Apprise()
    kind = {"info": "info", "warning": "warning", "critical": "failure"}[severity]
    if not target.add(hand_out(engine, [name], CredentialUse("notify"))[name].value):
        raise Refused("unavailable", f"The credential {name!r} is no address of Apprise.", "See its documentation.")
    if not target.notify(body=text, title=_TITLE, notify_type=kind):
        raise Refused("unavailable", f"The service of {name!r} did not take it.", "Check its address.")


def _sentence(given: Mapping[str, Any]) -> str:
    return f"{given['reference']} {_ABOUT[given['kind']][0]}{_until(given.get('expires_at', ''))}"


def _until(text: str) -> str:
    if not text:
        return ""
    return f", until {datetime.fromisoformat(text).astimezone():%H:%M}"


def last_failure(engine: Engine) -> str:
    """Why the newest notification was not shown in each way, and when; empty where it was, or none was due."""
    with engine.store.read() as tx:
        queues, ended = (queue_name("webhook", engine.project_id),), (JobStatus.DONE, JobStatus.FAILED)
        jobs = [job for job in tx.jobs.filter(statuses=ended, queues=queues) if job.kind == NOTICE]
    last = next((job for job in jobs if "dropped" not in (job.result or {})), None)
    why = (last.error or "; ".join((last.result or {}).get("failed", ()))) if last else ""
    at = last.finished_at if last else None
    return f"the last one, at {at:%Y-%m-%d %H:%M} UTC, was not shown: {why}" if why and at else ""


def ways_of(notify: NotifySettings) -> str:
    """The configured ways, as a text; empty without one."""
    named = [*(["desktop"] if notify.desktop else []), *(["command"] if notify.command else []), *notify.apprise]
    return join_names([*named, *(["terminal"] if notify.terminal else [])])
