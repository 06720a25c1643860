"""Phases of steps, and servers for them to call."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.engine.scene import HUMAN, Scene
from tests.tools.stub import STUB, Stub
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.runs import control
from wfe_mcp.store.records.runs import StepRecord


def steps(*given: dict[str, Any], name: str = "ci", **keys: Any) -> dict[str, Any]:
    """A phase of steps that fails for good at its first failure, unless it says otherwise."""
    return {"id": name, "kind": "steps", "steps": list(given), "on_fail": [{"do": "wait_human"}], **keys}


def tool(step: str, named: str = "stub.say", /, **keys: Any) -> dict[str, Any]:
    return {"id": step, "tool": named, **keys}


def configure(scene: Scene, *lines: str) -> None:
    """Write and trust configuration."""
    config = scene.root / ".wfe" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    before = config.read_text(encoding="utf-8") if config.exists() else ""
    config.write_text(before + "\n".join(lines) + "\n", encoding="utf-8")
    scene.trust_config()


def with_stub(scene: Scene, stub: Stub) -> None:
    """The running stub is the project's server ``stub``."""
    configure(scene, f'[mcp_servers.stub]\nurl = "{stub.url}"', f'[http]\nallow = ["{stub.origin}"]')


def with_child(scene: Scene, calls: Path) -> None:
    """The stub is the project's server ``stub``, started for each call."""
    args = json.dumps([str(STUB), str(calls)])
    configure(scene, f"[mcp_servers.stub]\ncommand = {json.dumps(sys.executable)}\nargs = {args}")


def rows(scene: Scene, run: str, name: str = "ci", attempt: int | None = None) -> dict[str, StepRecord]:
    """The steps of an attempt (the newest) by id."""
    with scene.store.read() as tx:
        number = attempt or scene.attempt(run, name).number
        return {
            row.step: row
            for row in tx.steps.of_run(tx.runs.find(scene.engine.project_id, run).id, PhasePath(name), number)
        }


def step_states(scene: Scene, run: str, name: str = "ci", attempt: int | None = None) -> dict[str, str]:
    """Step → status."""
    return {step: str(row.status) for step, row in rows(scene, run, name, attempt).items()}


def artifact(scene: Scene, run: str, name: str = "ci") -> Any:
    """What the phase has submitted."""
    with scene.store.read() as tx:
        found = tx.artifacts.revision(
            tx.runs.find(scene.engine.project_id, run).id, PhasePath(name), scene.attempt(run, name).revision
        )
        assert found is not None
        return json.loads(found.content)


def reopen(scene: Scene, run: str, name: str = "ci") -> None:
    """A person retries, and what is due is worked."""
    control.retry(scene.engine, HUMAN, run, name)
    scene.work()


def until(happens: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something in another thread or process, at most so long."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
