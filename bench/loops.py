"""Compares the cost of the first and last items of a long loop, and measures the calls of a run of many phases.

A loop over 1,000 items, completed one after the other by a client: start_phase and submit_artifact for each. A run of 400
phases, each of which needs the one before.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from bench.figures import Figure, median

if TYPE_CHECKING:
    from bench.scene import Scene, Server


_ANY = {"type": "object"}
TEMPLATE: dict[str, Any] = {
    "format": "wfe/1",
    "name": "bench-loop",
    "version": "1.0.0",
    "title": "A loop over many items",
    "description": "What the measurements drive.",
    "phases": [
        {"id": "plan", "prompt": "List them.", "output": {"artifact": "list", "schema": _ANY}},
        {
            "id": "build",
            "kind": "loop",
            "for_each": {"in": "${artifacts.list.items}", "as": "step"},
            "phases": [
                {
                    "id": "code",
                    "prompt": "Do ${step.title}, ${item.index + 1} of ${item.count}.",
                    "output": {"artifact": "change", "schema": "change@1"},
                    "gates": [{"kind": "expr", "assert": "${size(artifacts.change.summary) > 0}"}],
                },
                {"id": "test", "prompt": "Test it.", "output": {"artifact": "result", "schema": _ANY}},
            ],
        },
        {"id": "review", "prompt": "${size(artifacts.change)}", "output": {"artifact": "review", "schema": _ANY}},
    ],
}


def measure(scene: Scene, items: int) -> list[Figure]:
    """The cost of an item (ms, its four calls) at the beginning and at the end, and of the phase after the loop."""
    scene.add_template(TEMPLATE)
    part = min(100, items // 3)
    with scene.server() as server:
        server.hello()
        run = str(_call(server, "start_run", template="bench-loop")["run"])
        keys = [f"T-{number}" for number in range(items)]
        _call(server, "start_phase", run=run)
        listed = [{"id": key, "title": f"task {key}"} for key in keys]
        opened = _timed(lambda: _call(server, "submit_artifact", run=run, phase="plan", artifact={"items": listed}))
        spent = [_timed(lambda key=key: _item(server, run, key)) for key in keys]
        after = _timed(lambda: _call(server, "start_phase", run=run, phase="review"))
        ended = _call(server, "submit_artifact", run=run, phase="review", artifact={})
        assert ended["run_state"] == "completed", ended
    first, last = median(spent[5 : 5 + part]), median(spent[-part:])
    return [
        Figure(f"loop of {items:,} items: opening it", opened, "ms"),
        Figure(f"  an item (4 calls), first {part}", first, "ms"),
        Figure(f"  an item (4 calls), last {part}", last, "ms"),
        Figure("  last ÷ first", last / first, "×", 1.5),
        Figure("  starting the phase after it", after, "ms"),
    ]


def measure_phases(scene: Scene, count: int, calls: int) -> list[Figure]:
    """CPU of the server for each of both calls, in the middle of a run of ``count`` phases (ms)."""
    import psutil

    shape = {"schema": {"type": "object"}}
    phases = [
        {"id": f"p{number}", "prompt": "Write it.", "output": {"artifact": f"a{number}", **shape}, "needs": needs}
        for number, needs in ((number, [f"p{number - 1}"] if number else []) for number in range(count))
    ]
    scene.add_template({**TEMPLATE, "name": "bench-phases", "title": "Many phases", "phases": phases})
    with scene.server() as server:
        server.hello()
        run = str(_call(server, "start_run", template="bench-phases")["run"])
        process, spent = psutil.Process(server.pid), {"start_phase": 0.0, "submit_artifact": 0.0}

        def cpu(tool: str, **arguments: Any) -> None:
            before = process.cpu_times()
            _call(server, tool, run=run, **arguments)
            after = process.cpu_times()
            spent[tool] = spent[tool] + after.user + after.system - before.user - before.system

        for number in range(calls + 5):
            if number == 5:  # the first calls load modules
                spent.update(start_phase=0.0, submit_artifact=0.0)
            cpu("start_phase")
            cpu("submit_artifact", phase=f"p{number}", artifact={"front": {}, "body": "word " * 100})
    return [Figure(f"{tool} in a run of {count} phases, CPU", 1_000 * spent[tool] / calls, "ms", 20) for tool in spent]


def _item(server: Server, run: str, key: str) -> None:
    for phase, artifact in (("code", {"summary": f"did {key}"}), ("test", {"passed": True})):
        path = f"build[{key}].{phase}"
        _call(server, "start_phase", run=run)
        _call(server, "submit_artifact", run=run, phase=path, artifact=artifact)


def _call(server: Server, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = server.call(tool, **arguments)["structuredContent"]
    assert answer["ok"], json.dumps(answer)[:2000]
    return answer


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000
