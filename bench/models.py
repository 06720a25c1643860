"""Measures the overhead of a model call, and the time until a cancelled one ends."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from bench.figures import Figure, median
from tests.fake_models.process import models_running
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store.records.calls import CallStatus
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.workspace.system.process import started_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.scene import Scene, Server
    from tests.fake_models.process import ModelProcess
    from wfe_mcp.engine.kernel.engine import Engine


_HANGS = (
    "import pathlib, subprocess, sys, time; "
    "other = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)']); "
    "pathlib.Path(sys.argv[1]).write_text(str(other.pid)); time.sleep(600)"
)


def measure(scene: Scene, times: int) -> list[Figure]:
    """Milliseconds, in a real server: its first phase by a model and later ones, and the end of cancelled work."""
    pid_file = scene.root / ".wfe" / "pid"
    with models_running({"holds": [{"hold": True}] * times}) as models:
        _configure(scene, models, pid_file)
        engine = _engine(scene)
        try:
            with scene.server() as server:
                server.hello()
                first = _worked(server, engine)
                later = [_worked(server, engine) for _ in range(times)]
                calls = [
                    _cancelled(server, engine, "held", lambda at=at: models.count > times + at + 1)
                    for at in range(times)
                ]
                agents = [_cancelled(server, engine, "agent", pid_file.exists, pid_file) for _ in range(times)]
            left = sum(1 for _, pid in agents if pid and started_at(pid) is not None)
        finally:
            engine.close()
    return [
        Figure("first phase by a model in a process, the SDKs loaded for it", first, "ms"),
        Figure("a phase by a model that answers at once, p50", median(later), "ms"),
        Figure("cancel of a run to the end of its call to a model, p50", median([ms for ms, _ in calls]), "ms"),
        Figure("cancel of a run to the end of its command-line agent, p50", median([ms for ms, _ in agents]), "ms"),
        Figure("processes left of cancelled agents", left, "processes", 0),
    ]


def _configure(scene: Scene, models: ModelProcess, pid_file: Path) -> None:
    program = pid_file.with_name("hangs.py")
    program.write_text(_HANGS, encoding="utf-8")
    agent = [sys.executable, "-S", str(program), str(pid_file)]
    (scene.root / ".wfe" / "config.toml").write_text(
        f'[providers.local]\nkind = "openai-compatible"\nbase_url = "{models.v1}"\n'
        f'[providers.agent]\nkind = "claude-code"\nargv = {agent!r}\n'
        '[roles.quick]\nprovider = "local"\nmodel = "quick"\n[roles.held]\nprovider = "local"\nmodel = "holds"\n',
        encoding="utf-8",
    )
    phase = {"id": "work", "prompt": "Do it.", "output": {"artifact": "report", "schema": "markdown_doc@1"}}
    template = {"format": "wfe/1", "name": "driven", "version": "1.0.0", "title": "One phase", "phases": [phase]}
    scene.add_template(template)


def _engine(scene: Scene) -> Engine:
    from wfe_mcp.workspace.system.location import project_at

    return create_engine(project_at(scene.root), environment=scene.environment)


def _start(server: Server, driver: str) -> str:
    answer: dict[str, Any] = server.call("start_run", template="driven", driver=driver)["structuredContent"]
    return answer["run"]


def _worked(server: Server, engine: Engine) -> float:
    began = time.perf_counter()
    run = _start(server, "quick")
    _until(lambda: _run_state(engine, run) == "completed")
    return (time.perf_counter() - began) * 1000


def _cancelled(
    server: Server, engine: Engine, driver: str, is_at_work: Callable[[], bool], pid_file: Path | None = None
) -> tuple[float, int | None]:
    """Milliseconds until the job and its call have ended, and the processes that the agent started."""
    if pid_file is not None:
        pid_file.unlink(missing_ok=True)
    run = _start(server, driver)
    _until(is_at_work)
    pid = None if pid_file is None else int(_text(pid_file))
    began = time.perf_counter()
    server.call("control_run", run=run, action="cancel")
    _until(lambda: _is_over(engine, run))
    return (time.perf_counter() - began) * 1000, pid


def _text(file: Path) -> str:
    _until(lambda: bool(file.read_text(encoding="utf-8")))
    return file.read_text(encoding="utf-8")


def _run_state(engine: Engine, run: str) -> str:
    with engine.store.read() as tx:
        return str(engine.load(tx, run).state.status)


def _is_over(engine: Engine, run: str) -> bool:
    with engine.store.read() as tx:
        run_id = engine.load(tx, run).record.id
        at_work = tx.jobs.filter(run_id, statuses=(JobStatus.RUNNING,))
        return not at_work and all(call.status is not CallStatus.STARTED for call in tx.model_calls.filter(run_id))


def _until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happens():
        if time.monotonic() > end:
            raise TimeoutError
        threading.Event().wait(0.005)
