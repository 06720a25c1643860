"""What a check on a runner is handed and what it writes: credentials, reports of tests, and whether it had a sandbox."""

import json
import sys
from pathlib import Path

import pytest

from tests.server.conftest import HUMAN, House
from tests.server.http.conftest import Running, configure
from tests.server.http.runners import OwnRunner, evidence
from tests.server.http.test_runners import Make, checked, judged, machine as machine, own as own, running as running
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.engine.credentials.stored import add_credential
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.jobs.sandbox import sandbox_fault
from wfe_mcp.views.moves.blockers import sentences
from wfe_mcp.views.reports.envelopes import overview_of

TOKEN = "npm-canary-0123456789"
DEPLOY = (
    'import os, pathlib\nprint("token", os.environ["NPM"])\npathlib.Path("kept.txt").write_text(os.environ["NPM"])\n'
)
TESTED = """
import pathlib
cases = '<testcase classname="a" name="one"/><testcase classname="a" name="two"><failure/></testcase>'
pathlib.Path("out.xml").write_text(f"<testsuite>{cases}</testsuite>")
raise SystemExit(1)
"""


def checks(house: House, script: str, *lines: str) -> None:
    """The check ``ok`` runs ``script`` on a runner."""
    (house.root / "script.py").write_text(script)
    text = f'[checks.ok]\nargv = {json.dumps([sys.executable, "script.py"])}\nwhere = "runner"\n'
    configure(house, text + "".join(f"{line}\n" for line in lines))


def open_store(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test opens the same store of credentials as the server."""
    house = running.house
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, house.environment["HOME"])
        house.environment[name] = house.environment["HOME"]
    running.end()
    running.start(running.port)


def bytes_below(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())


@pytest.mark.attack("a credential stays in what a runner reports, or on its machine", "held", "#31")
def test_a_check_is_handed_its_credential_on_a_runner_and_it_stays_nowhere(
    running: Running, machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, one = running.house, machine()
    open_store(running, monkeypatch)
    add_credential(house.engine(), HUMAN, "npm", "token", {"token": TOKEN}, kept_in="stored")
    checks(house, DEPLOY, 'credentials = { npm = "NPM" }', 'writes = ["kept.txt"]')

    run = checked(running)
    output = one.done()

    found = judged(house, run)
    assert found["passed"], (output, found)
    assert "token" in found["output"]["tail"]
    assert TOKEN not in json.dumps(found) + output
    assert TOKEN.encode() not in bytes_below(house.root.parent)


def test_a_check_whose_credential_is_not_stored_is_given_to_no_runner_until_it_is(
    running: Running, own: OwnRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(running, monkeypatch)
    engine = running.house.engine()
    checks(running.house, "pass", 'credentials = { npm = "NPM" }')
    run = checked(running)
    assert own.claim(wait_s=0) is None
    said = sentences(overview_of(engine, run))
    assert said == ("checked waits for a credential: credential npm is not stored: wfe-mcp credential add npm",)
    assert verify(engine, run).findings == ()
    add_credential(engine, HUMAN, "npm", "token", {"token": TOKEN}, kept_in="stored")
    overview_of(engine, run)
    task = own.claim(wait_s=0)
    assert task is not None and task["variables"] == {"NPM": TOKEN}


def test_the_report_of_a_runners_tests_names_which_failed(running: Running, machine: Make) -> None:
    checks(running.house, TESTED, 'junit = "out.xml"')

    run = checked(running)
    output = machine().done()

    found = judged(running.house, run)
    assert (found["passed"], found["exit_code"]) == (False, 1), output
    fault = sandbox_fault()
    assert found["where"] == ("checkout" if fault else "sandbox")
    assert ("unsandboxed" in json.dumps(found)) == bool(fault)
    assert "a::two" in json.dumps(found) or "a.two" in json.dumps(found), found
    assert verify(running.house.engine(), run).findings == ()


@pytest.mark.attack("a runner reports a file that would be written outside the folder of its report", "held", "#31")
@pytest.mark.parametrize("path", ["../out", "files/../../out", "/out", "C:/out", "files\\..\\out", "files//out"])
def test_a_report_whose_file_leads_out_is_refused(running: Running, own: OwnRunner, path: str) -> None:
    run = checked(running)
    task = own.claim()
    body = own.report(task, reports={path: sha256_hex(b"x")})
    answer = own.post(f"jobs/{task['job']}/end", body | {"reports": [{"path": path, "content": "eA=="}]}, task["token"])
    assert answer.status_code == 409, answer.text
    assert "leads out" in answer.json()["error"]["message"]
    assert evidence(running.house, run) == []


def test_a_report_whose_file_is_below_another_is_refused(running: Running, own: OwnRunner) -> None:
    run = checked(running)
    task = own.claim()
    files = [{"path": path, "content": "eA=="} for path in ("a", "a/b/c")]
    body = own.report(task, reports={file["path"]: sha256_hex(b"x") for file in files}) | {"reports": files}
    answer = own.post(f"jobs/{task['job']}/end", body, task["token"])
    assert answer.status_code == 409, answer.text
    assert "below another" in answer.json()["error"]["message"]
    assert evidence(running.house, run) == []
