"""A check that runs in a child ends with the server whose client has left."""

import os
import select
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.artifacts.test_isolated import exploding
from tests.server.conftest import House
from tests.server.test_leaving import answer
from tests.server.test_stdio import PATIENCE_S, Child, serving
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.server.fast_start import CAPABILITIES_KEY, MODERN, VERSION_KEY
from wfe_mcp.workflow.load import digest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the check is held by a named pipe, the end is a signal")

HUMAN = By("ada", Channel.CLI, Assurance.HUMAN)
HOLD = """
import os, sys, time
if "wfe_mcp.artifacts.isolated" in sys.orig_argv:
    with open({pipe!r}, "w") as told:
        told.write(f"{{os.getpid()}}\\n")
    time.sleep(600)
"""
FLOW = {"id": "p0", "kind": "flow", "template": "inner", "output": {"artifact": "a0", "schema": exploding(20)}}
INNER: dict[str, Any] = {
    "format": "wfe/1",
    "name": "inner",
    "version": "1.0.0",
    "outputs": {"x": "${artifacts.a1.title}"},
    "phases": [
        {
            "id": "p1",
            "prompt": "x",
            "output": {"artifact": "a1", "schema": {"type": "object", "properties": {"title": {"type": "string"}}}},
        }
    ],
}
AGENT = {"id": "p0", "prompt": "x", "output": {"artifact": "a0", "schema": exploding(20)}}


class Held:
    """Checks in children neither answer nor reach a limit of theirs, as on a machine that does not let them run."""

    def __init__(self, house: House, folder: Path) -> None:
        folder.mkdir()
        pipe = folder / "begun"
        os.mkfifo(pipe)
        self._reader = os.open(pipe, os.O_RDWR)
        (folder / "sitecustomize.py").write_text(HOLD.format(pipe=str(pipe)), encoding="utf-8")
        paths = [str(folder), *filter(None, [house.environment.get("PYTHONPATH")])]
        house.environment["PYTHONPATH"] = os.pathsep.join(paths)

    def child(self) -> psutil.Process:
        """The check that has begun."""
        assert select.select([self._reader], [], [], PATIENCE_S)[0], "no check has begun"
        return psutil.Process(int(os.read(self._reader, 20)))

    def close(self) -> None:
        os.close(self._reader)


@pytest.fixture
def held(house: House, tmp_path: Path) -> Generator[Held]:
    made = Held(house, tmp_path / "held")
    try:
        yield made
    finally:
        made.close()


def begin_check(house: House, child: Child, phase: dict[str, Any], work: str) -> None:
    """Submit what makes the server check an artifact of a schema that explodes."""
    meta: dict[str, Any] = {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}}

    def ask(tool: str, **arguments: Any) -> int:
        return child.ask("tools/call", name=tool, arguments=arguments, **meta)

    big: dict[str, Any] = {"format": "wfe/1", "name": "big", "version": "1.0.0", "phases": [phase]}
    for made in (INNER, big):
        assert (result := answer(child, ask("save_template", definition=made)))["ok"], result
        engine = house.engine()
        with engine.store.tx() as tx:
            tx.trust.give(engine.project_id, trust_key(made["name"]), digest(made), HUMAN, utc_now())
        engine.close()
    run = answer(child, ask("start_run", template="big@1.0.0"))["run"]
    assert (result := answer(child, ask("start_phase", run=run, phase=work)))["ok"], result
    made = {"x": 1} if work == "p0" else {"title": "x"}
    ask("submit_artifact", run=run, phase=work, artifact=made)


@pytest.mark.parametrize("how", ["closes its end", "sends SIGTERM", "sends SIGHUP"])
@pytest.mark.parametrize("where", ["a request", "a job"])
def test_the_check_ends_with_the_server_whose_client_has_left(house: House, held: Held, where: str, how: str) -> None:
    with serving(house) as child:
        begin_check(house, child, *((AGENT, "p0") if where == "a request" else (FLOW, "p0[1].p1")))
        check = held.child()
        if how == "closes its end":
            child.stdin.close()
        else:
            child.process.send_signal(getattr(signal, how.removeprefix("sends ")))

        assert child.process.wait(PATIENCE_S) == 0
        psutil.wait_procs([check], timeout=PATIENCE_S)
        assert not check.is_running()


def test_a_check_that_a_server_left_behind_is_made_again_by_the_next(house: House, held: Held) -> None:
    with serving(house) as child:
        begin_check(house, child, FLOW, "p0[1].p1")
        first = held.child()
        child.stdin.close()
        assert child.process.wait(PATIENCE_S) == 0
    with serving(house) as child:
        child.ask("tools/call", name="status", arguments={}, _meta={VERSION_KEY: MODERN, CAPABILITIES_KEY: {}})
        assert held.child().pid != first.pid
