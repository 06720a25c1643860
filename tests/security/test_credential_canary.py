"""A credential that a check prints in every way is in no table, file, log, answer, export, bundle or backup."""

import base64
import json
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.dashboard.api.client import Program
from tests.jobs.conftest import until
from tests.security.hostile_api import operations
from tests.security.machine import NOTE, PIN, Machine
from wfe_mcp.dashboard.api.app import ROOT
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals.decision_page import link

TOKEN = "canary+token/0123456789=é"
PASSWORD = "canary password & <more> 77"
KEY = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5LWtleS1saW5lLW9uZS0wMTIzNDU2\nY2FuYXJ5LWtleS1saW5lLXR3by0wMTIzNDU2\n-----END PRIVATE KEY-----\n"
CANARIES = (TOKEN, PASSWORD, *KEY.splitlines()[1:3])

LEAK = """
import base64, html, json, os, pathlib, sys, urllib.parse
key = pathlib.Path(os.environ["KEY"]).read_text()
for value in (os.environ["TOKEN"], os.environ["DB"], key):
    raw = value.encode()
    said = [value, urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value), json.dumps(value), raw.hex()]
    said += [base64.b64encode(b"u:x"[:n] + raw).decode() for n in range(3)] + [base64.urlsafe_b64encode(raw).decode()]
    said += [base64.encodebytes(raw).decode(), html.escape(value), f"https://u:{urllib.parse.quote(value, safe='')}@host/"]
    for each in said:
        sys.stdout.write(each[:7]); sys.stdout.flush(); print(each[7:]); print(each, file=sys.stderr)
first = os.environ["DB"]
case = f'<testcase classname="a" name="b"><failure message="{html.escape(first)}">{html.escape(key)}</failure></testcase>'
pathlib.Path("report.xml").write_text(f"<testsuite>{case}</testsuite>")
sys.exit(3)
"""

LOOKS = """
status RUN|status|list|show RUN --full|log RUN --limit 999|log RUN --json|artifact show RUN write|decision list|inbox|find canary
context RUN|handoff RUN|stats|compare RUN RUN|verify RUN|verify|recovery list RUN|config show --origin|config project|credential list
doctor|jobs list|templates show canary|trust|token list|providers list|mcp list|project list|checkpoints RUN|work list|export RUN out.json
backup
"""
"""What shows or writes something, as it is typed."""


def forms(value: str) -> set[bytes]:
    raw = value.encode()
    plain = {
        value,
        quote(value, safe=""),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        raw.hex(),
    }
    encoded = {base64.b64encode(b"x" * n + raw).decode().rstrip("=")[4:-4] for n in range(3)}
    return {each.encode() for each in plain | encoded}


def leaks(name: str, content: bytes) -> list[str]:
    return [f"{name}: {form!r}" for value in CANARIES for form in forms(value) if form in content]


@pytest.fixture
def run(machine: Machine) -> str:
    """A run whose gate and whose step were given three credentials by a check that prints them."""
    argv = json.dumps([sys.executable, "-c", LEAK])
    keys = 'credentials = { token = "TOKEN", db = "DB", key = "file:KEY" }\njunit = "report.xml"\n'
    config = machine.project / ".wfe" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(f"[checks.leak]\nargv = {argv}\n{keys}", encoding="utf-8")
    write = {"id": "write", "output": {"artifact": "letter", "schema": NOTE}, "prompt": "Write."}
    gate = {"kind": "command", "check": "leak", "expect": {"exit_code": "nonzero"}}
    ship = {
        "id": "ship",
        "kind": "steps",
        "steps": [{"id": "leak", "check": "leak"}],
        "on_fail": [{"do": "wait_human"}],
    }
    made = {"format": "wfe/1", "name": "canary", "version": "1.0.0", "title": "Canary"}
    made |= {"phases": [{**write, "gates": [gate]}, ship]}
    folder = machine.project / ".wfe" / "templates" / "canary"
    folder.mkdir(parents=True)
    (folder / "template.json").write_text(json.dumps(made), encoding="utf-8")
    machine.person()
    values = {
        "token": ["--kind", "token"],
        "db": ["--kind", "basic_auth", "--username", "ada"],
        "key": ["--kind", "other"],
    }
    for (name, more), value in zip(values.items(), (TOKEN, PASSWORD, KEY), strict=True):
        file = machine.place / "typed"
        file.write_text(value, encoding="utf-8")
        words = ("credential", "add", name, *more, "--from-file", str(file), "--key", "stored", "--pin-fd", "0")
        done = machine.run(*machine.wfe(*words), given=PIN)
        assert done.code == 0 and leaks("add", done.said.encode()) == [], done.said
        file.unlink()
    with machine.server() as agent:
        found = agent.call("start_run", template="canary")["run"]
        agent.call("start_phase", run=found, phase="write")
        agent.call("submit_artifact", run=found, phase="write", artifact={"text": "Dear all"})
        until(lambda: agent.call("status", run=found)["run_state"] not in {"running", "pending"}, 60, every_s=0.5)
        told: list[str] = []
        for tool in agent.tools():
            takes: dict[str, Any] = tool["inputSchema"].get("properties", {})
            given = {name: value for name, value in {"run": found, "phase": "ship"}.items() if name in takes}
            told.append(json.dumps(agent.request("tools/call", {"name": tool["name"], "arguments": given})))
        told += [json.dumps(agent.request(f"{what}/list", {})) for what in ("resources", "prompts")]
    assert [each for text in told for each in leaks("MCP", text.encode())] == []
    return found


@pytest.mark.requirement("S4-32")
@pytest.mark.attack("a credential is looked for in every table, file, log, answer, export and backup", "held", "T3")
def test_the_value_is_nowhere(machine: Machine, run: str) -> None:
    with machine.engine() as engine, engine.store.read() as tx:
        given = [event.payload for event in tx.events.of_types(engine.load(tx, run).record.id, "CredentialGiven")]
    assert {each["credential"] for each in given} == {"token", "db", "key"}
    assert {each["phase"] for each in given} == {"write", "ship"}
    found: list[str] = []
    for line in LOOKS.replace("\n", "|").strip("|").split("|"):
        done = machine.run(*machine.wfe(*line.replace("RUN", run).split()))
        found += leaks(line, done.said.encode()) + ([f"{line}: {done.said}"] if done.code == 2 else [])
    with machine.engine() as engine, serve_page(engine, 0) as page:
        assert isinstance(page, Page)
        code = link(engine, page.port).partition("#code=")[2]
        person = Program(page.port, Program(page.port).post("/session", code=code).data["token"])
        known = {"run": run, "phase": "ship", "name": "canary", "project": engine.project_id, "template": "canary"}
        for method, path, _ in operations():
            if method == "GET" and "stream" not in path and "events" not in path:
                for part, value in known.items():
                    path = path.replace(f"{{{part}}}", value)
                found += leaks(path, str(person.raw("GET", f"{ROOT}{path}".replace(ROOT * 2, ROOT)).body).encode())
    files = [file for file in machine.place.rglob("*") if file.is_file() and not file.is_symlink()]
    assert any(file.name.startswith("leak-") for file in files) and any(file.name == "report.xml" for file in files)
    assert any("backup" in str(file) for file in files)
    for file in files:
        found += leaks(str(file), file.read_bytes())
    assert b"[hidden]" in (machine.project / "report.xml").read_bytes()
    for database in {file for file in files if file.suffix in {".db", ".sqlite"}}:
        found += rows_with(database)
    assert found == []
    assert PIN not in str(found)


def rows_with(database: Path) -> list[str]:
    """Each row of each table with a canary in it, as text: pages of a database may split a value."""
    found: list[str] = []
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
        with suppress(sqlite3.OperationalError):  # an index without content of its own
            for row in connection.execute(f'select * from "{table}"'):
                found += leaks(f"table {table}", repr(row).encode() + b"".join(v for v in row if isinstance(v, bytes)))
    connection.close()
    return found
