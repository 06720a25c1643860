"""What a table of ``[environments]`` says decides where a change runs, who approves it, and what its checks get."""

import json
import os
import sys
import tarfile
from pathlib import Path

import pytest

from tests.engine.conftest import home
from tests.engine.deployments.deployment_scene import (
    answer,
    approve,
    begin,
    calls,
    commit,
    deploy,
    environment,
    result,
)
from tests.engine.scene import HUMAN, Scene
from tests.engine.step_scene import configure
from tests.first_line import python_line
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.credentials.stored import add_credential
from wfe_mcp.engine.deployments.environments import SSH_OPTIONS
from wfe_mcp.engine.deployments.history import known_deployments
from wfe_mcp.views.project.credentials import credentials_view

__all__ = ["home"]

SSH = """
import json, subprocess, sys
from pathlib import Path

here = Path(__file__).parent
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
files = sys.stdin.buffer.read()
if files:
    (here / "files.tar").write_bytes(files)
(here / "home").mkdir(exist_ok=True)
sys.exit(subprocess.run(["sh", "-c", sys.argv[-1]], cwd=here / "home", input=files, check=False).returncode)
"""


def printing(scene: Scene, name: str, code: str) -> None:
    configure(scene, f"[checks.{name}]\nargv = {json.dumps([sys.executable, '-S', '-c', code])}")


def test_the_checks_get_the_address_and_the_variables_of_the_environment(scene: Scene) -> None:
    seen = scene.root.parent / "seen.txt"
    names = ("WFE_ENVIRONMENT", "WFE_ADDRESS", "WFE_COMMIT", "PLACE")
    code = f"import os; open({str(seen)!r}, 'w').write(' '.join(os.environ[name] for name in {names!r}))"
    printing(scene, "out", code)
    printing(scene, "up", "pass")
    table = '[environments.qa]\nkind = "testing"\naddress = "https://qa.example.org"\ndeploy = "out"\nhealth = "up"'
    configure(scene, table, 'variables = { PLACE = "eu" }')
    run = deploy(scene, "qa")
    assert scene.state(run).status == "completed", result(scene, run)
    assert seen.read_text() == f"qa https://qa.example.org {scene.git('rev-parse', 'HEAD').strip()} eu"


@pytest.mark.usefixtures("home")
def test_each_environment_gives_the_same_check_its_own_credential(scene: Scene) -> None:
    seen = scene.root.parent / "seen.txt"
    code = (
        f"import os; open({str(seen)!r}, 'a').write(os.environ['WFE_ENVIRONMENT'] + ' ' + os.environ['TOKEN'] + '\\n')"
    )
    printing(scene, "out", code)
    configure(scene, 'credentials = { shared = "TOKEN" }')
    printing(scene, "up", "pass")
    for name in ("qa", "live"):
        table = f'[environments.{name}]\nkind = "testing"\ndeploy = "out"\nhealth = "up"'
        configure(scene, table, f'credentials = {{ {name}-token = "TOKEN" }}')
    add_credential(scene.engine, HUMAN, "qa-token", "token", {"token": "the value of qa-token"}, kept_in="stored")

    assert scene.state(deploy(scene, "qa")).status == "completed", "the check's own for this variable is not needed"
    waiting = deploy(scene, "live")
    assert scene.state(waiting).status == "running", "nothing is called before the credential is there"
    assert seen.read_text() == "qa the value of qa-token\n"
    (row,) = [row for row in credentials_view(scene.engine).credentials if row.name == "qa-token"]
    assert row.given_to == ("environment qa",)
    add_credential(scene.engine, HUMAN, "live-token", "token", {"token": "the value of live-token"}, kept_in="stored")
    scene.status(waiting)
    scene.work()
    assert scene.state(waiting).status == "completed"
    assert seen.read_text().splitlines()[-1] == "live the value of live-token"


def test_health_is_asked_as_often_as_configured(scene: Scene) -> None:
    seen = scene.root.parent / "seen.txt"
    printing(scene, "out", "pass")
    printing(
        scene,
        "up",
        f"import sys; f = open({str(seen)!r}, 'a+'); f.write('x'); f.flush(); f.seek(0); sys.exit(len(f.read()) < 3)",
    )
    configure(scene, '[environments.qa]\nkind = "testing"\ndeploy = "out"\nhealth = "up"\nwait = "1ms"\ntries = 3')
    run = deploy(scene, "qa")
    assert scene.state(run).status == "completed", result(scene, run)
    assert seen.read_text() == "xxx"


def test_its_own_rollback_check_brings_the_commit_before_back(scene: Scene) -> None:
    with environment(scene, 'rollback = "back"', test=False) as target:
        argv = json.dumps([sys.executable, "-S", "deploy.py", "rollback"])
        configure(scene, f"[checks.back]\nargv = {argv}\n")
        deploy(scene)
        good = scene.git("rev-parse", "HEAD").strip()
        scene.write("status.txt", "500\n")
        commit(scene, "broken")
        deploy(scene)
        assert f"rollback {good[:7]}" in calls(target)
        assert answer(target) == good


def test_a_first_deployment_that_fails_has_nothing_to_go_back_to(scene: Scene) -> None:
    with environment(scene):
        scene.write("status.txt", "500\n")
        commit(scene, "broken")
        run = deploy(scene)
        assert "Nothing was rolled back" in result(scene, run)
        assert [one.state for one in known_deployments(scene.engine).deployments] == ["failed"]


def test_the_phrase_of_the_environment_is_asked_for_and_checked(scene: Scene) -> None:
    with environment(scene, 'phrase = "DEPLOY LOCAL"'):
        run = begin(scene)
        approvals.ask(scene.engine, HUMAN, run, "live")
        with pytest.raises(Refused, match="DEPLOY LOCAL"):
            approvals.decide(scene.engine, HUMAN, run, "live")
        approvals.decide(scene.engine, HUMAN, run, "live", phrase="DEPLOY LOCAL")
        scene.work()
        assert scene.state(run).status == "completed", result(scene, run)


def test_an_environment_with_passkeys_takes_no_other_approval(scene: Scene) -> None:
    with environment(scene, 'approval = "passkey"'):
        run = begin(scene)
        with pytest.raises(Refused, match="passkey"):
            approve(scene, run)


def test_an_environment_that_is_not_configured_is_refused_with_the_nearest(scene: Scene) -> None:
    with environment(scene), pytest.raises(Refused) as refused:
        begin(scene, "locl")
    assert "No environment 'locl' is configured." in str(refused.value)
    assert "local" in str(refused.value.hint)


def test_a_check_that_is_missing_takes_the_environment_away(scene: Scene) -> None:
    configure(scene, '[environments.qa]\nkind = "testing"\ndeploy = "out"\nhealth = "up"')
    loaded = scene.engine.settings()
    assert loaded.settings.environments == {}
    assert any("[environments.qa] does not count: there is no check 'out'" in each.message for each in loaded.problems)


def test_the_commit_that_is_deployed_never_says_which_key_its_host_has(scene: Scene) -> None:
    checks = '[checks.out]\nargv = ["true"]\n[environments.qa]\nkind = "testing"\ndeploy = "out"\nhealth = "out"\nhost = "qa"\n'
    configure(scene, f'{checks}known_hosts = "ops/known"')
    loaded = scene.engine.settings()
    assert loaded.settings.environments["qa"].known_hosts == "", "those of the person count"
    assert any("'ops/known' would be a file of the commit" in problem.message for problem in loaded.problems)


def test_a_second_deployment_to_an_environment_waits_for_the_first(scene: Scene) -> None:
    with environment(scene) as target:
        first, second = begin(scene), begin(scene)
        approve(scene, first)
        approve(scene, second)
        with scene.store.read() as tx:
            locks = scene.engine.load(tx, first).state.current("live").locks  # pyright: ignore[reportArgumentType]
        assert locks == ("environment:local",)
        scene.work()
        scene.clock.advance(minutes=1)
        scene.work()
        assert [scene.state(run).status for run in (first, second)] == ["completed", "completed"]
        assert [each.split()[0] for each in calls(target)] == ["deploy", "health", "test"] * 2, "one after the other"


@pytest.mark.skipif(sys.platform == "win32", reason="the stub is a script with a first line for sh")
def test_by_ssh_each_check_runs_on_the_host_and_gets_the_files_of_the_commit(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "bin"
    here.mkdir()
    (here / "ssh").write_text(f"{python_line(options='-S')}\n{SSH}")
    (here / "ssh").chmod(0o755)
    scene.engine.environment["PATH"] = f"{here}{os.pathsep}{os.environ['PATH']}"
    scene.write("app.txt", "one\n")
    wanted = commit(scene, "the app")
    configure(scene, '[checks.out]\nargv = ["sh", "-c", "tar xf - && echo $WFE_COMMIT \'$HOME\' > at.txt"]')
    configure(scene, '[checks.up]\nargv = ["cat", "at.txt"]')
    configure(
        scene,
        '[environments.web]\nkind = "staging"\nhost = "web.example.org"\nuser = "deploy"\nport = 2222',
        'known_hosts = "/etc/known"\ndeploy = "out"\nhealth = "up"\nvariables = { NOTE = "a b; false" }',
    )
    run = deploy(scene, "web")
    assert scene.state(run).status == "completed", result(scene, run)
    asked = [json.loads(line) for line in (here / "calls.jsonl").read_text().splitlines()]
    options = [*SSH_OPTIONS, 'UserKnownHostsFile="/etc/known"', "GlobalKnownHostsFile=none"]
    given = ["-T", *(word for each in options for word in ("-o", each)), "-p", "2222", "-l", "deploy", "--"]
    assert [words[:-1] for words in asked] == [[*given, "web.example.org"]] * 2
    assert "BatchMode=yes" in SSH_OPTIONS
    assert "StrictHostKeyChecking=yes" in SSH_OPTIONS
    assert "'NOTE=a b; false'" in asked[0][-1]
    assert (here / "home" / "at.txt").read_text() == f"{wanted} $HOME\n"
    assert (here / "home" / "app.txt").read_text() == "one\n"
    with tarfile.open(here / "files.tar") as files:
        assert "app.txt" in files.getnames()
        assert not any(name.startswith(".wfe") for name in files.getnames())
