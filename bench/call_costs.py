"""What each tool costs in counts: statements, transactions, fsyncs, polls, git processes and looks at the tree.

Counts stay the same on a busy machine. Each is the median of several runs, of all that happens from a call to the next one:
the answer, what is written after it, and the jobs that it causes. fsyncs are counted by ``strace`` where it is installed; those
of the check itself are none.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.counting import KINDS
from bench.figures import Figure
from bench.git_processes import spec_driven
from bench.scene import ONE_CHANGE, TEMPLATE, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.scene import Scene

FSYNCS = "fsyncs"
COUNTS = (*KINDS.values(), FSYNCS)
_QUIET_S, _AT_MOST_S = 0.7, 5.0
"""How long nothing may happen until a call is over: the anchor and the checkpoint come after its answer."""

BUDGETS: dict[str, tuple[int | None, ...]] = {
    "start_run (bench)": (28, 1, 8, 2, 1, 0, 1, 5),
    "start_phase (bench)": (7, 1, 4, 2, 1, 0, 1, 5),
    "submit_artifact (bench)": (23, 1, 5, 3, 1, 0, 1, 8),
    "start_run (one_change)": (30, 1, 8, 2, 1, 0, 1, 5),
    "start_phase (one_change)": (13, 1, 4, 2, 1, 0, 1, 5),
    "submit_artifact (one_change)": (77, 3, 18, 10, 4, 0, 2, 16),
}
"""By tool and template, in the order of ``COUNTS``."""


def measure(scene: Scene, times: int) -> list[Figure]:
    """The counts of start_run, start_phase and submit_artifact, without gates in a job, and with files and command."""
    del scene  # the gated runs need a repository of their own
    from wfe_mcp.testing.playground import Playground

    folder = Path(tempfile.mkdtemp(prefix="wfe-costs-"))
    try:
        for template in (TEMPLATE, ONE_CHANGE):
            (folder / template["name"]).mkdir()
            (folder / template["name"] / "template.json").write_text(json.dumps(template), encoding="utf-8")
        checks = {"test": [sys.executable, "-I", "-S", "-c", "print('Ran 1 test in 0.1s\\n\\nOK')"]}
        templates = [folder / TEMPLATE["name"], folder / ONE_CHANGE["name"]]
        with Playground(folder, files=_FILES, checks=checks, templates=templates) as project:
            return _measured(project, folder, times)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_FILES = {f"src/f{number}.txt": f"file {number}\n" for number in range(20)}


def _measured(project: Any, folder: Path, times: int) -> list[Figure]:
    figures: list[Figure] = []
    with_log = _counts(project, folder, times)
    for tool, counts in with_log.items():
        named = zip(COUNTS, BUDGETS.get(tool, (None,) * len(COUNTS)), strict=True)
        figures += [Figure(f"{tool}: {name}", _median(counts, name), "", budget) for name, budget in named]
    if shutil.which("strace") is None:
        return [each for each in figures if not each.name.endswith(FSYNCS)]
    project.close()  # SQLite changes the journal of a file that no process has open
    _without_log(project)
    for tool, counts in _counts(project, folder, times, "no write-ahead log").items():
        if tool in BUDGETS:
            name = f"{tool}, no write-ahead log: {FSYNCS}"
            figures.append(Figure(name, _median(counts, FSYNCS), "", BUDGETS[tool][-1]))
    return figures


def _median(counts: list[Counter[str]], name: str) -> float:
    return statistics.median(each[name] for each in counts)


def _without_log(project: Any) -> None:
    """From now on the database has a rollback journal, as on a system without the newer SQLite: it keeps the one it has."""
    from wfe_mcp.store.driver import driver
    from wfe_mcp.store.sqlite import database_file

    connection = driver().connect(str(database_file(project.environment["WFE_DATABASE_URL"])))
    try:
        (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        assert mode == "delete", mode
    finally:
        connection.close()


def _counts(project: Any, folder: Path, times: int, how: str = "") -> dict[str, list[Counter[str]]]:
    letters, synced = folder / f"letters {how}", folder / f"strace {how}"
    letters.touch()
    synced.touch()
    traced = shutil.which("strace")
    argv = [sys.executable, "-m", "bench.counting", str(letters)]
    if traced:
        argv = [traced, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(synced), *argv]
    server = Server(argv, project.root, project.environment)

    def counted() -> Counter[str]:
        found = Counter(KINDS[letter] for letter in letters.read_text(encoding="ascii"))
        found[FSYNCS] = len(re.findall(r"\bf(?:data)?sync\(", synced.read_text(encoding="utf-8")))
        return found

    found: dict[str, list[Counter[str]]] = {}
    try:
        server.hello()
        for number in range(times + 1):
            for template, phase in (("bench", "work"), ("one_change", "build")):
                _run(project, server, f"{number} {how}", template, phase, counted, found if number else {})
        if not how:
            found["a whole run (spec_driven)"] = [_play(project, server, counted)]
    finally:
        server.end()
    return found


def _run(
    project: Any,
    server: Server,
    text: str,
    template: str,
    phase: str,
    counted: Callable[[], Counter[str]],
    found: dict[str, list[Counter[str]]],
) -> None:
    """One run of one phase; ``found`` gets what each of its calls cost."""

    def call(tool: str, **arguments: Any) -> Any:
        before = _settled(counted)
        answer = server.call(tool, **arguments)["structuredContent"]
        assert answer["ok"], answer
        cost = _settled(counted)
        cost.subtract(before)
        found.setdefault(f"{tool} ({template})", []).append(cost)
        return answer

    run = call("start_run", template=template)["run"]
    call("start_phase", run=run)
    project.write({"src/f1.txt": f"{text} {template}\n"})  # what did not change costs no checkpoint
    artifact: dict[str, Any] = {"summary": text} if template == "one_change" else {"front": {}, "body": "word " * 700}
    answer = call("submit_artifact", run=run, phase=phase, artifact=artifact)
    assert answer["run_state"] == "completed", answer


def _play(project: Any, server: Server, counted: Callable[[], Counter[str]]) -> Counter[str]:
    """A run with eight submissions: what the server did for it."""
    from wfe_mcp.testing.agent import drive

    def call(tool: str, **arguments: Any) -> Any:
        return server.call(tool, **arguments)["structuredContent"]

    before = _settled(counted)
    inputs = {"name": "parts", "goal": "the files say more"}
    played = drive(call, project.root, "spec_driven", inputs, spec_driven(), person=project.approve)
    assert played.last["run_state"] == "completed", played.last
    cost = _settled(counted)
    cost.subtract(before)
    return cost


def _settled(counted: Callable[[], Counter[str]]) -> Counter[str]:
    """The counts once nothing more happens."""
    until, before = time.monotonic() + _AT_MOST_S, Counter[str]()
    while before != (now := counted()) and time.monotonic() < until:
        before = now
        time.sleep(_QUIET_S)
    return now
