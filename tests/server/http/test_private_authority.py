"""A server behind a proxy whose certificate a private authority has signed: one variable names it, for requests and for git."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.team_chaos.network import Proxy
from tests.server.conftest import House
from tests.server.http.conftest import Running
from tests.server.http.runners import Machine, configure
from tests.server.http.test_runners import checked, judged
from tests.server.people.conftest import free_port


@pytest.fixture
def proxy(house: House, tmp_path: Path) -> Iterator[tuple[Proxy, Running]]:
    configure(house)
    port = free_port()
    made = Proxy(tmp_path, lambda: [port], "127.0.0.1")
    running = Running(house, ("--origin", f"https://127.0.0.1:{made.port}"))
    running.start(port)
    running.url = f"http://127.0.0.1:{port}"
    yield made, running
    running.end()
    made.close()


def test_a_runner_trusts_the_authority_that_its_environment_names(proxy: tuple[Proxy, Running], tmp_path: Path) -> None:
    tls, running = proxy
    run = checked(running)
    secure = Running(running.house, url=f"https://127.0.0.1:{tls.port}")
    machine = Machine(secure, tmp_path / "builder", running.token("builder", "runner"))

    process = machine.start("--once", SSL_CERT_FILE=str(tls.certificate))
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 0, output
    assert judged(running.house, run)["passed"], output


def test_a_runner_sends_its_token_to_no_server_that_it_does_not_trust(
    proxy: tuple[Proxy, Running], tmp_path: Path
) -> None:
    tls, running = proxy
    secure = Running(running.house, url=f"https://127.0.0.1:{tls.port}")
    machine = Machine(secure, tmp_path / "builder", running.token("builder", "runner"))
    process = machine.start("--once")
    machine.says(process, "certificate verify failed")
    process.kill()
    process.communicate()


def test_a_login_at_a_server_that_is_not_trusted_names_the_variable(proxy: tuple[Proxy, Running]) -> None:
    tls, running = proxy
    done = subprocess.run(
        [sys.executable, "-m", "wfe_mcp", "login", f"https://127.0.0.1:{tls.port}"],
        cwd=running.house.root,
        env=running.house.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "SSL_CERT_FILE=FILE" in done.stderr) == (1, True), done
