"""Checks on a host by ssh, at a real sshd on loopback: credentials arrive and are in no argument; doctor says whether it is known."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.engine.credentials.test_handing import KEY, TOKEN, data, everything, forms, store
from tests.engine.deployments.deployment_scene import commit, deploy, result
from tests.engine.scene import Scene
from tests.engine.step_scene import configure
from wfe_mcp.engine.deployments.hosts import host_findings

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
