"""Counts our functions between the tool ``submit_artifact`` and the row it writes, and its loads of the run."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

    from bench.scene import Scene


def measure(place: Scene) -> list[Figure]:
    """The stack of a submission in the server, from its tool to the statement that changes the run; loads of the run."""
    from wfe_mcp.server.project_session import ProjectSession
    from wfe_mcp.store.runs.runs import RunRepository
    from wfe_mcp.testing.client import connect

    path: list[str] = []
    loads: list[str] = []
    in_thread, load_run = ProjectSession.in_thread, RunRepository.load

    async def watched(self: Any, ask: Any) -> Any:
        path.extend(_stack(sys._getframe(1)))  # pyright: ignore[reportPrivateUsage] - the only way to the caller's frame
        return await in_thread(self, partial(_traced, ask, path))

    def loaded(self: Any, run: Any) -> Any:
        loads.append(run)
        return load_run(self, run)

    with connect(place.root, environment=place.environment) as agent:
        run = agent.call("start_run", template="bench")["run"]
        agent.call("start_phase", run=run)
        ProjectSession.in_thread = watched
        RunRepository.load = loaded  # pyright: ignore[reportAttributeAccessIssue] - counted, then put back
        try:
            answer = agent.call("submit_artifact", run=run, phase="work", artifact={"front": {}, "body": "Done."})
        finally:
            ProjectSession.in_thread, RunRepository.load = in_thread, load_run
    assert answer["run_state"] == "completed", answer
    names = " ".join(dict.fromkeys(name.rpartition(":")[2] for name in path))
    return [
        Figure(
            "functions between the tool submit_artifact and the store", len(dict.fromkeys(path)), "hops", None, names
        ),
        Figure("loads of the run by one submit_artifact", len(loads), "loads", 1),
    ]


def _traced(ask: Callable[[], Any], path: list[str]) -> Any:
    """The answer of ``ask``; ``path`` gets the functions on the stack when the store was called."""

    def note(frame: FrameType, what: str, _value: object) -> None:
        caller = frame.f_back
        if what == "call" and caller is not None and _module(frame) in _STORE and _module(caller) not in _STORE:
            path.extend(_stack(caller))

    sys.setprofile(note)
    try:
        return ask()
    finally:
        sys.setprofile(None)


_STORE = {"wfe_mcp.store.database", "wfe_mcp.store.runs.runs"}


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _stack(frame: FrameType | None) -> Generator[str]:
    """Our functions on the stack above ``frame``, outermost first, without lambdas and the store's own."""
    found: list[str] = []
    while frame is not None:
        module, name = _module(frame), frame.f_code.co_qualname
        if module.startswith("wfe_mcp.") and not module.startswith(("wfe_mcp.testing", "wfe_mcp.store")):
            found.append(f"{module}:{name}")
        frame = frame.f_back
    yield from reversed(found)
