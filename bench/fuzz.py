"""Measures the slowest of many hostile calls.

The calls are those of tests/security/hostile.py: most are from Hypothesis, some are written bombs. No call waits (``wait_s``
is never valid), so the latency is entirely our own work.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Figure

if TYPE_CHECKING:
    from bench.scene import Scene
    from wfe_mcp.testing.stdio_client import Era


def measure(scene: Scene, calls: int) -> list[Figure]:
    """The worst latency in each era, and the number of calls without an answer (must be 0)."""
    del scene  # uses its own project: a template with a gate of each kind
    from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN

    return [figure for era in (HANDSHAKE, MODERN) for figure in _played(era, calls)]


def measure_api(scene: Scene, each: int) -> list[Figure]:
    """``each`` requests of every operation of the API by each of five callers: none may be answered with 500."""
    del scene
    from tests.dashboard.api.client import Program
    from tests.security.hostile_api import assault
    from tests.security.machine import ADA, PIN, Machine
    from wfe_mcp.dashboard.serving import Page, serve_page
    from wfe_mcp.engine.access.tokens import create_token
    from wfe_mcp.engine.approvals.decide import ask
    from wfe_mcp.engine.approvals.decision_page import link
    from wfe_mcp.engine.work.items import add_item

    with tempfile.TemporaryDirectory(prefix="wfe-fuzz-") as place:
        machine = Machine(Path(place) / "machine")
        machine.person()
        runs = [machine.letter() for _ in range(3)]
        with machine.engine() as engine, serve_page(engine, 0) as page:
            assert isinstance(page, Page)
            request = ask(engine, ADA, runs[0], "write").request.id
            items = [add_item(engine, ADA, kind, {"title": kind}).id for kind in ("task", "bug", "decision")]
            code = link(engine, page.port).partition("#code=")[2]
            callers = {
                "nobody": "",
                "a false token": "wfe_" + "a" * 43,
                "a reader": create_token(engine, ADA, "reader", "read")[1],
                "a program": create_token(engine, ADA, "ci", "work")[1],
                "the page": Program(page.port).post("/session", code=code).data["token"],
            }
            known = {
                "run": runs,
                "phase": ["write"],
                "template": ["letter", "memo"],
                "name": ["letter", "memo", "reviewer"],
                "request": [request],
                "id": items,
                "project": ["", engine.project_id],
                "kind": ["task", "bug", "finding"],
                "status": ["ready", "planned", "done", "accepted"],
                "action": ["pause", "resume", "cancel", "auto_on"],
                "pin": [PIN],
            }
            answers = assault(page.port, callers, known, each)
    note = "; ".join(answers.faults)[:200]
    return [
        Figure("requests of the API", answers.requests, "requests", note=str(answers.statuses)),
        Figure("answers of 500", len(answers.faults), "answers", 0, note),
    ]


def measure_lines(scene: Scene, lines: int) -> list[Figure]:
    """``lines`` lines of each of three kinds on a server: cut off, of another form, and calls with a changed byte."""
    del scene
    from tests.security.hostile_lines import damaged_lines, line_assault
    from tests.security.machine import Machine

    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="wfe-fuzz-") as place:
        machine = Machine(Path(place) / "machine")
        for kind, made in damaged_lines(lines).items():
            faults = line_assault(machine.wfe("serve"), machine.project, machine.env, Path(place) / "log", made)
            figures.append(
                Figure(f"faults after {lines:,} lines, {kind}", len(faults), "faults", 0, "; ".join(faults)[:200])
            )
    return figures


def _played(era: Era, calls: int) -> list[Figure]:
    from tests.security.hostile import assault, field_of_play
    from wfe_mcp.testing.playground import Playground

    with tempfile.TemporaryDirectory(prefix="wfe-fuzz-") as place, ExitStack() as open_ones:
        folder = Path(place)

        def play(files: dict[str, str], *, templates: list[Path]) -> Playground:
            (folder / "play").mkdir()
            return open_ones.enter_context(Playground(folder / "play", files=files, templates=templates))

        argv, cwd, env, known = field_of_play(folder, play)
        told = assault(argv, cwd, env, folder / "serve.log", era=era, calls=calls, known=known)
    return [
        Figure(f"worst of {told.calls:,} hostile calls, {era}", told.worst_ms, "ms", note=told.worst[:60]),
        Figure(f"answers that were no envelope, {era}", len(told.faults), "answers", 0),
    ]
