"""A client that cancels, leaves or stops reading ends its requests and never keeps the server."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import House
from tests.server.test_stdio import PATIENCE_S, Child, registered, serving
from tests.workspace.git.test_restore_faults import mounted, mounting
from wfe_mcp.server.fast_start import CAPABILITIES_KEY, MODERN, VERSION_KEY
from wfe_mcp.server.project_session import THREADS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stopped git is a shell script, the end a signal")

GIT = """#!/bin/sh
if [ -e "{hang}" ]; then
    echo started >> "{begun}"
    while [ -e "{hang}" ]; do sleep 0.1; done
fi
exec "{git}" "$@"
"""


class Hanging:
    """A git that does not end while the file ``hang`` is there, as on a file system that does not answer."""

    def __init__(self, house: House, folder: Path) -> None:
        folder.mkdir()
        self.hang, self._begun = folder / "hang", folder / "begun"
        os.mkfifo(self._begun)
        self._reader = os.open(self._begun, os.O_RDWR)
        script = folder / "git"
        script.write_text(GIT.format(hang=self.hang, begun=self._begun, git=shutil.which("git")), encoding="utf-8")
        script.chmod(0o755)
        house.environment["PATH"] = f"{folder}{os.pathsep}{house.environment['PATH']}"

    def wait(self) -> None:
        """Until one more call hangs."""
        assert select.select([self._reader], [], [], PATIENCE_S)[0], "git was not called"
        os.read(self._reader, len("started\n"))

    def end(self) -> None:
        self.hang.unlink(missing_ok=True)
        os.close(self._reader)


@pytest.fixture
def hanging(house: House, tmp_path: Path) -> Generator[Hanging]:
    made = Hanging(house, tmp_path / "bin")
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(params=["handshake", "stateless"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def leave(era: str) -> Callable[[Child], None]:
    """A client closes its end or sends a signal: in each protocol one of the two, for the end comes below the protocol."""

    def left(child: Child) -> None:
        if era == "stateless":
            child.process.send_signal(signal.SIGTERM)
        else:
            child.stdin.close()

    return left


@pytest.fixture
def ask(era: str) -> Callable[..., int]:
    """Calls a tool in one of the two protocols."""

    def asked(child: Child, tool: str, **arguments: Any) -> int:
        meta: dict[str, Any] = {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}} if era == "stateless" else {}
        if not meta and not hasattr(child, "greeted"):
            about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            child.ask("initialize", **about)
            child.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
            child.read()
            child.greeted = True  # pyright: ignore[reportAttributeAccessIssue] - a note of this test
        return child.ask("tools/call", name=tool, arguments=arguments, **meta)

    return asked


def answer(child: Child, request: int) -> dict[str, Any]:
    """The envelope that answers ``request``, past all other messages."""
    while (message := child.read()).get("id") != request:
        pass
    return message["result"]["structuredContent"]


def started(child: Child, ask: Callable[..., int]) -> str:
    return str(answer(child, ask(child, "start_run", template="drill", inputs={"goal": "try"}))["run"])


def begin(child: Child, ask: Callable[..., int], run: str) -> int:
    return ask(child, "submit_artifact", run=run, phase="checked", artifact={"title": "long enough"})


def test_cancelled_requests_give_their_places_back_while_their_work_hangs(
    house: House, hanging: Hanging, ask: Callable[..., int]
) -> None:
    with serving(house) as child:
        run = started(child, ask)
        assert (result := answer(child, ask(child, "start_phase", run=run, phase="checked")))["ok"], result
        (house.root / "new.txt").write_text("a file that git must look at", encoding="utf-8")
        hanging.hang.touch()
        requests = [begin(child, ask, run) for _ in range(THREADS)]
        hanging.wait()
        for request in requests:
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request}}
            child.write(json.dumps(cancel).encode())

        assert (result := answer(child, ask(child, "list_templates", query="drill")))["ok"], result
        hanging.hang.unlink()


def test_a_request_that_hangs_does_not_keep_a_server_whose_client_has_left(
    house: House, hanging: Hanging, ask: Callable[..., int], leave: Callable[[Child], None]
) -> None:
    with serving(house) as child:
        run = started(child, ask)
        assert (result := answer(child, ask(child, "start_phase", run=run, phase="checked")))["ok"], result
        (house.root / "new.txt").write_text("a file that git must look at", encoding="utf-8")
        hanging.hang.touch()
        begin(child, ask, run)
        hanging.wait()
        leave(child)

        assert child.process.wait(PATIENCE_S) == 0


def test_a_client_that_reads_no_answer_does_not_keep_the_server(
    house: House, ask: Callable[..., int], leave: Callable[[Child], None]
) -> None:
    with serving(house) as child:
        answer(child, ask(child, "list_templates"))
        for _ in range(200):  # more than a pipe holds
            ask(child, "list_templates")
        leave(child)

        assert child.process.wait(PATIENCE_S) == 0


def test_all_answers_of_a_client_that_closed_its_end_are_written(house: House) -> None:
    asked = b"".join(
        json.dumps(
            {
                "jsonrpc": "2.0",
                "id": number,
                "method": "tools/list",
                "params": {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}},
            }
        ).encode()
        + b"\n"
        for number in range(50)
    )
    output = subprocess.run(
        [sys.executable, "-m", "wfe_mcp", "serve", "--project", str(house.root)],
        input=asked,
        capture_output=True,
        env=house.environment,
        timeout=PATIENCE_S,
        check=True,
    )

    assert [json.loads(line)["id"] for line in output.stdout.splitlines()] == list(range(50))


@mounting
def test_a_server_whose_database_cannot_grow_ends_without_a_fault(
    house: House, ask: Callable[..., int], leave: Callable[[Child], None], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", "size=6m", "none"):
        house.environment["WFE_DATABASE_URL"] = f"sqlite:///{disk / 'wfe.db'}"
        with serving(house) as child:
            found = answer(child, ask(child, "status"))
            assert found["ok"], found
            assert registered(house)
            with suppress(OSError), (disk / "fill").open("wb", buffering=0) as file:
                while file.write(bytes(4096)) == 4096:
                    pass
            leave(child)
            assert child.process.wait(PATIENCE_S) in {0, -signal.SIGTERM}
