"""What a check is handed of credentials: a variable or a file, hidden in all that it prints and reports."""

import base64
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.scene import HUMAN, Scene, command, phase
from tests.engine.step_scene import configure, steps
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.credentials.stored import add_credential, credential
from wfe_mcp.engine.toolbox import toolbox
from wfe_mcp.jobs import handed as handed_files
from wfe_mcp.jobs.sandbox import sandbox_fault
from wfe_mcp.workspace.system import temporary
from wfe_mcp.workspace.system.temporary import remove_abandoned

TOKEN = 'npm-"canary"/0123456789+é'
ODD = "first-half-0123\"'\\t-second-half-4567"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nsecond-line-of-the-key-00\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def store(scene: Scene) -> None:
    add_credential(scene.engine, HUMAN, "npm", "token", {"token": TOKEN}, kept_in="stored")
    add_credential(scene.engine, HUMAN, "deploy-key", "ssh_key", {"key": KEY}, kept_in="stored")


def with_check(scene: Scene, code: str, *keys: str, credentials: str = 'npm = "NPM", deploy-key = "file:KEY"') -> None:
    argv = json.dumps([sys.executable, "-S", "-c", code])
    configure(scene, "[checks.deploy]", f"argv = {argv}", f"credentials = {{ {credentials} }}", *keys)


def judged(scene: Scene) -> str:
    """A run whose phase is judged by the check ``deploy``."""
    run = scene.start(phase("ship", command("deploy")))
    scene.do(run, "ship")
    return run


def verdict(scene: Scene, run: str) -> str:
    tries = scene.state(run).attempts[PhasePath("ship")]
    return [each.message for one in tries for each in one.verdicts][-1]


def events(scene: Scene, run: str) -> list[dict[str, Any]]:
    with scene.store.read() as tx:
        return [dict(each.payload) for each in tx.events.of_types(RunId(run), "CredentialGiven")]


def everything(scene: Scene) -> bytes:
    """Every byte of the project, the database and the data folder."""
    return b"".join(file.read_bytes() for file in scene.root.parent.rglob("*") if file.is_file())


def forms(value: str) -> list[bytes]:
    encoded = value.encode()
    found = [encoded, quote(value, safe="").encode(), json.dumps(value)[1:-1].encode(), base64.b64encode(encoded)]
    return [*found, base64.b64encode(b"x" + encoded)[4:-4], encoded.hex().encode()]


LEAKS = """
import base64, json, os, sys, urllib.parse
token, key = os.environ["NPM"], open(os.environ["KEY"]).read()
for value in (token, key):
    raw = value.encode()
    said = [value, urllib.parse.quote(value, safe=""), json.dumps(value), raw.hex()]
    said += [base64.b64encode(b"x" * n + raw).decode() for n in range(3)] + [base64.encodebytes(raw).decode()]
    for each in said:
        sys.stdout.write(each[:5]); sys.stdout.flush(); print(each[5:])
"""


@pytest.mark.requirement("S4-32")
def test_a_check_is_given_a_variable_and_a_file_and_each_is_an_event(scene: Scene) -> None:
    store(scene)
    seen = "import os, stat; key = os.environ['KEY']; info = os.stat(key); mode = stat.S_IMODE(info.st_mode)"
    seen += f"; assert open(key).read() == {KEY!r} and mode in (0o600, 0o666), oct(mode)"
    seen += f"; assert os.environ['NPM'] == {TOKEN!r}; open('key-path', 'w').write(key)"
    with_check(scene, seen, 'writes = ["key-path"]')
    run = judged(scene)
    assert scene.state(run).status == "completed", verdict(scene, run)
    assert events(scene, run) == [
        {"credential": name, "to": "check deploy", "phase": "ship", "attempt": 1} for name in ("deploy-key", "npm")
    ]
    path = Path((scene.root / "key-path").read_text())
    assert not path.exists() and not path.parent.exists()
    assert list(credential(scene.engine, "npm").used) == ["check deploy"]


@pytest.mark.requirement("S4-32")
@pytest.mark.attack("a check prints its credential: plain, quoted, escaped, in base64 or in hexadecimal", "held", "T3")
def test_nothing_that_a_check_prints_or_reports_has_the_value(scene: Scene) -> None:
    store(scene)
    report = 'open("report.xml", "w").write("<testsuite><testcase name=\\"a\\"><system-out>" + '
    report += "os.environ['NPM'].replace('&', '&amp;') + \"</system-out></testcase></testsuite>\")\n"
    with_check(scene, LEAKS + report.replace('\\"', '"').replace('name="a"', "name='a'"), 'junit = "report.xml"')
    run = judged(scene)
    assert len(events(scene, run)) == 2
    assert b"[hidden]" in everything(scene)
    scene.status(run)
    for value in (TOKEN, KEY, *KEY.splitlines()[1:3]):
        for form in forms(value):
            assert form not in everything(scene), form


@pytest.mark.attack("a check prints its credential as a shell or a traceback writes it", "held", "T3")
def test_nothing_that_a_shell_or_a_traceback_prints_has_the_value(scene: Scene) -> None:
    add_credential(scene.engine, HUMAN, "npm", "token", {"token": ODD}, kept_in="stored")
    written = "import os, shlex; value = os.environ['NPM']; print(repr(value), [value + chr(34)], shlex.quote(value))"
    written += "; print(value.replace(chr(92), chr(92) * 2), value.replace(chr(39), chr(39) + chr(92) + chr(39) * 2))"
    with_check(scene, written + "; print(value.replace(r'\\t', chr(9)))  # as echo of dash", credentials='npm = "NPM"')
    judged(scene)
    assert b"[hidden]" in everything(scene)
    for half in ODD.split("\"'\\t"):
        assert half.encode() not in everything(scene), half


def test_a_failure_names_neither_the_value_nor_a_part_of_it(scene: Scene) -> None:
    store(scene)
    with_check(scene, "import os; raise SystemExit('no login with ' + os.environ['NPM'])")
    run = judged(scene)
    assert "no login with [hidden]" in verdict(scene, run)


@pytest.mark.parametrize("keys", [('where = "checkout"',), ('where = "checkout"', "sandbox = true")])
def test_a_check_in_a_checkout_or_a_sandbox_reads_its_credentials(scene: Scene, keys: tuple[str, ...]) -> None:
    if "sandbox = true" in keys and sandbox_fault():
        pytest.skip("no sandbox can be made here")
    store(scene)
    with_check(scene, f"import os; assert open(os.environ['KEY']).read() == {KEY!r} and os.environ['NPM']", *keys)
    scene.write("app.py", "VALUE = 1\n")
    run = judged(scene)
    assert scene.state(run).status == "completed", verdict(scene, run)


def test_each_part_goes_where_configuration_says(scene: Scene) -> None:
    values = {"username": "ada-of-db", "password": "s3cret-password"}
    add_credential(scene.engine, HUMAN, "db", "basic_auth", values, kept_in="stored")
    both = "(os.environ['PGUSER'], os.environ['DB'], os.environ['DB_USERNAME'])"
    add_credential(scene.engine, HUMAN, "db2", "basic_auth", values, kept_in="stored")
    with_check(
        scene,
        f"import os; assert {both} == ('ada-of-db', 's3cret-password', 'ada-of-db')",
        credentials='db = "username=PGUSER", db2 = "DB"',
    )
    run = judged(scene)
    assert scene.state(run).status == "completed", verdict(scene, run)


def test_a_check_without_its_credential_waits_with_the_exact_command(scene: Scene) -> None:
    with_check(scene, "print('never')")
    run = judged(scene)
    assert verdict(scene, run) == (
        "Check 'deploy' was not given its credentials. There is no credential 'deploy-key'. "
        "Next: Ask the user to add it: wfe-mcp credential add deploy-key"
    )
    assert events(scene, run) == []


def test_an_expired_credential_keeps_the_check_from_starting(scene: Scene) -> None:
    add_credential(scene.engine, HUMAN, "deploy-key", "ssh_key", {"key": KEY}, kept_in="stored")
    end = scene.clock() + timedelta(days=1)
    add_credential(scene.engine, HUMAN, "npm", "token", {"token": TOKEN}, kept_in="stored", expires_at=end)
    with_check(scene, "open('ran', 'w')", 'writes = ["ran"]')
    scene.clock.advance(days=2)
    run = judged(scene)
    assert "The credential 'npm' expired on 2026-03-02." in verdict(scene, run)
    assert "wfe-mcp credential rotate npm" in str(scene.status(run))
    assert not (scene.root / "ran").exists()


@pytest.mark.requirement("S4-32")
def test_a_step_is_given_its_credentials(scene: Scene) -> None:
    store(scene)
    with_check(scene, f"import os; assert os.environ['NPM'] == {TOKEN!r}")
    run = scene.start(steps({"id": "deploy", "check": "deploy"}))
    scene.work()
    assert scene.state(run).status == "completed"
    assert [(each["to"], each["phase"]) for each in events(scene, run)] == [("check deploy", "ci")] * 2


@pytest.mark.attack("a check of an untrusted configuration names a credential", "held", "T4")
def test_untrusted_configuration_is_given_nothing(scene: Scene) -> None:
    store(scene)
    with_check(scene, "print('fine')", credentials="")
    config = scene.root / ".wfe" / "config.toml"
    run = scene.start(phase("ship", command("deploy")))
    text = config.read_text().replace("credentials = {  }", 'credentials = { npm = "NPM" }')
    config.write_text(text.replace("print('fine')", "open('pwned', 'w')"))
    scene.do(run, "ship")
    assert events(scene, run) == []
    assert "needs trust" in str(scene.status(run)) or "wfe-mcp trust" in str(scene.status(run))


@pytest.mark.attack("a model that works a phase runs a check to get its credentials", "held", "T3")
def test_the_tool_of_a_model_gives_no_credential(scene: Scene) -> None:
    store(scene)
    with_check(scene, LEAKS)
    check = scene.engine.settings().settings.checks["deploy"].frozen("deploy")
    (run_check,) = toolbox(("run_check",), scene.root, evidence_dir=scene.root / ".wfe" / "e", checks=[check])
    answer = run_check.run({"check": "deploy"})
    assert "Only the gates and steps of a run give 'deploy' its credentials." in str(answer)


@pytest.mark.attack("a process beside the check looks for the credential in its own environment", "held", "T3")
def test_no_other_child_of_the_server_has_it(scene: Scene) -> None:
    store(scene)
    with_check(scene, "pass")
    scene.check("other", "import os; assert 'NPM' not in os.environ and 'KEY' not in os.environ")
    run = scene.start(phase("ship", command("deploy"), command("other")))
    scene.do(run, "ship")
    assert scene.state(run).status == "completed", verdict(scene, run)


@pytest.mark.attack("the arguments of processes, as ps shows them, have a credential", "held", "T3")
def test_no_argument_of_a_process_has_it(scene: Scene) -> None:
    store(scene)
    look = "import psutil; said = [' '.join(p.info['cmdline'] or ()) for p in psutil.process_iter(['cmdline'])]"
    look += "; import os; assert not any(os.environ['NPM'] in each for each in said)"
    argv = json.dumps([sys.executable, "-c", look])
    configure(scene, "[checks.deploy]", f"argv = {argv}", 'credentials = { npm = "NPM" }')
    run = judged(scene)
    assert scene.state(run).status == "completed", verdict(scene, run)


@pytest.mark.attack("a link is put where the file of a credential will be", "held", "T5")
def test_a_file_is_never_written_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "target"
    made: list[Path] = []

    def folder_with_link(_kind: str, _within: Path | None = None) -> Path:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "KEY").symlink_to(target)
        made.append(folder)
        return folder

    monkeypatch.setattr(temporary, "new_folder", folder_with_link)
    with pytest.raises(FileExistsError), handed_files.hand_variables({}, {"KEY": KEY}):
        pass
    assert not target.exists() and not made[0].exists()


@pytest.mark.requirement("S4-32")
def test_the_file_of_a_killed_process_is_gone_at_the_next_start(tmp_path: Path) -> None:
    code = "import sys, time; from wfe_mcp.jobs.handed import hand_variables\n"
    code += "with hand_variables({}, {'KEY': 'of-a-killed-process'}) as found: print(found.folders[0], flush=True); time.sleep(600)"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        folder = Path(child.stdout.readline().strip())
        assert (folder / "KEY").read_text() == "of-a-killed-process"
        remove_abandoned(tmp_path)
        assert folder.exists(), "its process lives"
        child.kill()
    remove_abandoned(tmp_path)
    assert not folder.exists()
