"""Checks on a host by ssh, at a real sshd on loopback: credentials arrive and are in no argument; doctor says whether it is known."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.engine.credentials.test_handing import KEY, TOKEN, data, everything, forms, store
from tests.engine.deployments.deployment_scene import commit, deploy, result
from tests.engine.scene import Scene
from tests.engine.step_scene import configure
from wfe_mcp.engine.deployments.environments import HostCredentials, host_findings, ssh_argv
from wfe_mcp.jobs.handed import HandedVariables
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.delivery_table import EnvironmentSettings

__all__ = ["data"]

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the wrapper of ssh is a script for sh"),
    pytest.mark.requirement("S4-32"),
]
needs_sshd = pytest.mark.skipif(SSHD is None, reason="needs the sshd of OpenSSH")


class Host(NamedTuple):
    """A running sshd. ``known``: the file with its key; ``folder``: what checks there write into."""

    port: int
    known: Path
    folder: Path

    def table(self, *keys: str, known: Path | None = None) -> str:
        lines = [
            "[environments.web]",
            'kind = "staging"',
            'host = "127.0.0.1"',
            f"user = {json.dumps(getpass.getuser())}",
        ]
        lines += [f"port = {self.port}", f"known_hosts = {json.dumps(str(known or self.known))}", *keys]
        return "\n".join(
            [*lines, 'deploy = "out"', 'health = "up"', f"variables = {{ PLACE = {json.dumps(str(self.folder))} }}"]
        )


@pytest.fixture
def host(scene: Scene, tmp_path: Path) -> Generator[Host]:
    """An sshd that lets this user in with a key, which the first ``ssh`` on the scene's PATH uses."""
    place, bin_ = tmp_path / "sshd", tmp_path / "bin"
    for folder in (place, place / "there", bin_):
        folder.mkdir()
    for name in ("host", "person"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (place / "known").write_text(f"[127.0.0.1]:{port} {(place / 'host.pub').read_text()}")
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": place / "host",
        "AuthorizedKeysFile": place / "person.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "prohibit-password",
    }
    (place / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    (bin_ / "ssh").write_text(
        f'#!/bin/sh\nexec {shutil.which("ssh")} -i {place / "person"} -o IdentitiesOnly=yes "$@"\n'
    )
    (bin_ / "ssh").chmod(0o755)
    scene.engine.environment["PATH"] = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    with suppress(OSError):  # the folder of its unprivileged process, which a system's own start makes
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    assert SSHD is not None
    with subprocess.Popen([SSHD, "-D", "-e", "-f", str(place / "config")], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        while "listening" not in (line := server.stderr.readline()):
            assert line, "sshd did not start"
        yield Host(port, place / "known", place / "there")
        server.kill()


OUT = """
cd "$PLACE" && tar xf - && printf %s "$NPM" > npm && printf %s "$KEY" > key && ps -eo args > programs
echo "begins $NPM"
"""


@needs_sshd
def test_a_check_on_a_host_gets_its_credentials_and_no_argument_has_them(scene: Scene, host: Host) -> None:
    store(scene)
    scene.write("app.txt", "one\n")
    wanted = commit(scene, "the app")
    argv = json.dumps(["sh", "-c", OUT])
    configure(scene, f"[checks.out]\nargv = {argv}", 'credentials = { npm = "NPM", deploy-key = "KEY" }')
    configure(scene, f'[checks.up]\nargv = ["sh", "-c", "test -n \\"$NPM\\" && cat {host.folder}/app.txt"]')
    configure(scene, 'credentials = { npm = "NPM" }')
    configure(scene, host.table())
    run = deploy(scene, "web")
    assert scene.state(run).status == "completed", result(scene, run)
    assert (host.folder / "npm").read_text() == TOKEN
    assert (host.folder / "key").read_text() == KEY
    assert (host.folder / "app.txt").read_text() == "one\n"
    programs = (host.folder / "programs").read_text()
    assert f"WFE_COMMIT={wanted}" in programs or "wfe_given" in programs, "the programs of the check are among them"
    for folder in ("npm", "key"):
        (host.folder / folder).unlink()
    kept = everything(scene) + programs.encode()
    assert not [each for value in (TOKEN, KEY.splitlines()[2]) for each in forms(value) if each in kept]


def test_a_credential_as_a_file_is_not_given_to_a_host(scene: Scene) -> None:
    configure(scene, '[checks.out]\nargv = ["true"]\ncredentials = { deploy-key = "file:KEY" }')
    configure(scene, '[checks.up]\nargv = ["true"]')
    configure(scene, '[environments.web]\nkind = "staging"\nhost = "web.example.org"\ndeploy = "out"\nhealth = "up"')
    (fault,) = (each.message for each in scene.engine.settings().problems if "environments.web" in each.message)
    assert "check 'out' gets a credential as a file, and a host gets variables only" in fault


@needs_sshd
def test_doctor_says_whether_ssh_knows_a_host_and_reaches_it_when_asked(
    scene: Scene, host: Host, tmp_path: Path
) -> None:
    configure(scene, '[checks.out]\nargv = ["true"]\n[checks.up]\nargv = ["true"]')
    configure(scene, host.table())
    (alone,) = host_findings(scene.engine)
    assert (alone.level, "reached" in alone.message) == ("ok", False)
    (asked,) = host_findings(scene.engine, ask=True)
    assert (asked.level, "by ssh on 127.0.0.1, which was reached" in asked.message) == ("ok", True)
    (tmp_path / "sshd" / "person").unlink()
    (refused,) = host_findings(scene.engine, ask=True)
    assert (refused.level, "ssh does not reach 127.0.0.1" in refused.message) == ("problem", True)
    assert "Permission denied" in refused.message
    host.known.write_text("")
    (unknown,) = host_findings(scene.engine)
    assert unknown.level == "problem"
    assert f"ssh does not know the key of [127.0.0.1]:{host.port}" in unknown.message
    assert str(host.known) in unknown.message


@pytest.mark.attack("an ssh of the project on PATH is started for a deployment, to get its credentials", "held", "T3")
def test_no_ssh_of_the_project_is_started(scene: Scene, tmp_path: Path) -> None:
    store(scene)
    (tmp_path / "person").mkdir()
    for folder, text in ((scene.root / ".venv/bin", "project"), (tmp_path / "person", "person")):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("ssh", "ssh-keygen"):
            (folder / name).write_text(f"#!/bin/sh\necho $0 >> {tmp_path}/{text}.txt\ncat >> {tmp_path}/{text}.txt\n")
            (folder / name).chmod(0o755)
    scene.write("app.txt", "one\n")
    commit(scene, "the app")
    configure(scene, '[checks.out]\nargv = ["true"]', 'credentials = { npm = "NPM" }', '[checks.up]\nargv = ["true"]')
    configure(scene, '[environments.web]\nkind = "staging"\nhost = "web.example.org"\ndeploy = "out"\nhealth = "up"')
    own, persons = scene.root / ".venv/bin", tmp_path / "person"
    rest = os.environ["PATH"]
    scene.engine.environment["PATH"] = os.pathsep.join([str(own), ".venv/bin", str(persons), rest])
    list(host_findings(scene.engine, ask=True))
    deploy(scene, "web")
    assert not (tmp_path / "project.txt").exists()
    assert str(persons / "ssh") in (tmp_path / "person.txt").read_text(), "the person's own is started"
    scene.engine.environment["PATH"] = str(own)
    (found,) = host_findings(scene.engine)
    assert (found.level, "there is no ssh on PATH outside the project; fix: install" in found.message) == (
        "problem",
        True,
    )
    assert not (tmp_path / "project.txt").exists()


LINES = 'first\n\tit\'s \\\\n $(no) "q" %s\r\n\n'


def test_no_credential_is_an_argument_of_a_program_where_the_shell_has_no_printf(scene: Scene, tmp_path: Path) -> None:
    bash = shutil.which("bash") or pytest.skip("needs bash, which can be without its own printf")
    (tmp_path / "plain").write_text("enable -n printf\n")
    scripts = {
        "sh": f'BASH_ENV={tmp_path}/plain exec {bash} "$@"',
        "printf": f'echo "$@" >> {tmp_path}/arguments\nexec {shutil.which("printf")} "$@"',
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    given = HostCredentials(lambda _check: nullcontext(HandedVariables({"KEY": LINES, "EMPTY": ""})))
    check = FrozenCheck.model_validate({"name": "out", "argv": ["true"], "timeout_s": 60.0})
    code = "import os; print(repr([os.environ[n] for n in ('KEY', 'EMPTY')]), 'wfe_line' in os.environ, input())"
    one = EnvironmentSettings.model_validate({"kind": "local", "host": "h", "deploy": "a", "health": "b"})
    words = ssh_argv(scene.engine, one, [sys.executable, "-c", code], is_given=True)
    with given.hand(check):
        done = subprocess.run(
            [bash, "-c", words[-1]],
            input=given.line + b"the rest\n",
            env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            check=True,
        )
    assert done.stdout.decode() == f"{[LINES, '']!r} False the rest\n"
    assert "it's" not in (tmp_path / "arguments").read_text()


@needs_sshd
def test_doctor_knows_a_host_by_its_name_alone_and_in_a_file_with_blanks_as_ssh_does(scene: Scene, host: Host) -> None:
    configure(scene, '[checks.out]\nargv = ["true"]\n[checks.up]\nargv = ["true"]')
    known = host.known.with_name("known hosts")
    known.write_text(host.known.read_text().replace(f"[127.0.0.1]:{host.port}", "127.0.0.1"))
    host.known.unlink()
    configure(scene, host.table(known=known))
    (found,) = host_findings(scene.engine, ask=True)
    assert (found.level, "which was reached" in found.message) == ("ok", True), found.message
