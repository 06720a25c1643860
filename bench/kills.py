"""Kills commands with kill -9 at random moments and counts what is broken or left over afterwards.

A decision, rollback, undo, trust, backup, restore and import, each as its own process on a machine of one user. After every
kill the same command is given again and must succeed or be refused as done already, ``verify`` must find nothing, and files that
a rollback restores must all be of one time; at the end a server starts and ends, after which no unfinished copy, no lock and
nothing in the temporary folder may be left.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.scene import Scene
    from tests.security.machine import Machine

DONE_ALREADY = frozenset({"illegal_transition", "conflict", "nothing_to_undo"})
"""Codes of a command that is given again after the killed one had its effect."""
LEFT_OVER = (".*.new*", "stage-*", ".wfe-new-*", "*.lock")
"""A half-written object has git's own name for one (``tmp_obj_…``), by which ``git gc`` removes it as it does git's."""
_FILES = 40
"""So many files are restored by a rollback."""


@dataclass
class Kills:
    """How many processes were killed before they ended, and what was wrong afterwards."""

    killed: int = 0
    ended: int = 0
    faults: list[str] = field(default_factory=list[str])
    left: list[str] = field(default_factory=list[str])


def measure(scene: Scene, kills: int) -> list[Figure]:
    """The counts of faults and of files left over after ``kills`` kills (both must be 0)."""
    del scene  # it has a machine of its own
    with tempfile.TemporaryDirectory(prefix="wfe-kills-") as folder:
        answer = play(Path(folder), kills)
    return [
        Figure("processes killed", answer.killed, "kills", note=f"{answer.ended} ended before"),
        Figure("faults after a kill", len(answer.faults), "faults", 0, lines=tuple(answer.faults)),
        Figure("files left over after the next start", len(answer.left), "files", 0, lines=tuple(answer.left)),
    ]


def play(folder: Path, kills: int, *, seed: int = 0) -> Kills:
    """Kill commands in turn until ``kills`` of them were killed in their middle, and look after each."""
    import pytest

    with pytest.MonkeyPatch.context() as patch:
        (folder / "tmp").mkdir()
        patch.setenv("TMPDIR", str(folder / "tmp"))
        return _play(folder, kills, seed)


def _play(folder: Path, kills: int, seed: int) -> Kills:
    from tests.security.machine import Machine

    machine, chance, answer = Machine(folder / "machine"), random.Random(seed), Kills()
    _files(machine, 0)
    ada = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*ada, "commit", "-q", "-m", "begin"]):
        subprocess.run(["git", *words], cwd=machine.project, check=True)
    machine.person()
    lasts: dict[str, float] = {}
    number = 0
    while answer.killed < kills and number < 4 * kills + 2 * len(OPERATIONS):
        name = [*OPERATIONS][number % len(OPERATIONS)]
        number += 1
        argv, env = OPERATIONS[name](machine, folder, number)
        if name not in lasts:  # the first of each shows how long it takes
            began = time.monotonic()
            _expect_done(machine, name, argv, env, answer)
            lasts[name] = time.monotonic() - began
            continue
        began = time.monotonic()
        if _kill(machine, argv, env, chance.uniform(0, lasts[name])):
            answer.killed += 1
        else:
            answer.ended += 1
            # The first one was slower: the machine was busy, or nothing was compiled.
            lasts[name] = time.monotonic() - began
        _expect_done(machine, name, argv, env, answer)
        answer.faults += _differences(machine, folder, name)
        if len(mixed := {each.read_bytes() for each in _named(machine)}) > 1:
            answer.faults.append(f"files after {name}: of {len(mixed)} times")
    final = machine.json("verify")
    if not final.get("ok"):
        answer.faults.append(f"verify: {json.dumps(final)}")
    for copy in (folder / "tmp").glob("wfe-index-*"):
        os.utime(copy, (1, 1))  # they are removed ten minutes after the call of git that they were for
    with machine.server() as server:
        server.call("status")
    machine.close()
    left = [*(folder / "tmp").iterdir(), *(each for form in LEFT_OVER for each in folder.rglob(form))]
    answer.left = [str(each.relative_to(folder)) for each in left]
    return answer


def _named(machine: Machine) -> list[Path]:
    return [machine.project / f"restored-{number}.txt" for number in range(_FILES)]


def _files(machine: Machine, number: int) -> None:
    """Files that say which of the operations they are of."""
    for each in _named(machine):
        each.write_text(f"{number}\n" * 200, encoding="utf-8")


def _differences(machine: Machine, folder: Path, name: str) -> list[str]:
    """What ``verify`` finds in both databases, in this process: starting one for each costs more than the kill."""
    from contextlib import closing

    from wfe_mcp.engine.factory import create_engine
    from wfe_mcp.engine.integrity.verification import verify
    from wfe_mcp.workspace.system.location import project_at

    second = folder / "second" / "wfe.db"
    places = [machine.env, *([machine.env | _second(folder)] if second.exists() else [])]
    found: list[str] = []
    for env in places:
        with closing(create_engine(project_at(machine.project), environment=env)) as engine:
            found += [f"verify after {name}: {one}" for one in verify(engine).findings]
    return found


def _second(folder: Path) -> dict[str, str]:
    """What makes a process use the database that runs are imported into."""
    return {"WFE_DATABASE_URL": f"sqlite:///{(folder / 'second' / 'wfe.db').as_posix()}"}


def _kill(machine: Machine, argv: list[str], env: dict[str, str], after_s: float) -> bool:
    """Whether the process was killed before it ended."""
    from tests.security.machine import PIN

    process = subprocess.Popen(
        argv,
        cwd=machine.project,
        env=machine.env | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(PIN.encode())
    process.stdin.close()
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def _expect_done(machine: Machine, name: str, argv: list[str], env: dict[str, str], answer: Kills) -> None:
    from tests.security.machine import PIN

    done = machine.run(*argv, given=PIN, env=env)
    try:
        found: dict[str, Any] = json.loads(done.said[done.said.index("{") : done.said.rindex("}") + 1])
    except ValueError:
        found = {}
    code = found.get("error", {}).get("code", "no JSON")
    if not found.get("ok") and code not in DONE_ALREADY:
        answer.faults.append(f"{name} again: exit {done.code}: {done.said.strip()}")


def _decide(machine: Machine, folder: Path, number: int) -> tuple[list[str], dict[str, str]]:
    del folder, number
    return machine.wfe("approve", machine.letter(), "write", "--pin-fd", "0", "--json"), {}


def _approved(machine: Machine, number: int) -> str:
    """A run whose one phase changed the files and was approved."""
    from tests.security.machine import PIN
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.approvals.decide import decide
    from wfe_mcp.engine.approvals.pin import person
    from wfe_mcp.views.answers import tool_answers as answers

    with machine.engine() as engine:
        run = answers.start_run(engine, By(), "letter").run
        assert run is not None
        answers.start_phase(engine, By(), run)
        _files(machine, number)
        answers.submit_artifact(engine, By(), run, "write", artifact={"text": "Dear all"})
        decide(engine, person(engine, PIN, "ada"), run, "write")
    return run


def _rollback(machine: Machine, folder: Path, number: int) -> tuple[list[str], dict[str, str]]:
    del folder
    return machine.wfe("rollback", _approved(machine, number), "write", "--pin-fd", "0", "--json"), {}


def _undo(machine: Machine, folder: Path, number: int) -> tuple[list[str], dict[str, str]]:
    from tests.security.machine import PIN

    del folder
    run = _approved(machine, number)
    if number % 2:  # of a rollback, which brings the files back; else of the approval
        machine.run(*machine.wfe("rollback", run, "write", "--pin-fd", "0", "--json"), given=PIN)
    return machine.wfe("undo", run, "--pin-fd", "0", "--json"), {}


def _trust(machine: Machine, folder: Path, number: int) -> tuple[list[str], dict[str, str]]:
    del folder
    file = machine.project / ".wfe" / "templates" / "memo.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"title": f"Memo {number}"}), "utf-8")
    return machine.wfe("trust", "memo", "--yes", "--pin-fd", "0", "--json"), {}


def _backup(machine: Machine, folder: Path, number: int) -> tuple[list[str], dict[str, str]]:
    del folder, number
    return machine.wfe("backup", "--json"), {}


def _restore(machine: Machine, folder: Path, number: int) -> tuple[list[str], dict[str, str]]:
    from wfe_mcp.engine.maintenance.backups import backup

    file = folder / f"restore-{number}.db"
    with machine.engine() as engine:
        backup(engine, file)
    return machine.wfe("restore", str(file), "--pin-fd", "0", "--json"), {}


def _import(machine: Machine, folder: Path, number: int) -> tuple[list[str], dict[str, str]]:
    from wfe_mcp.engine.transfer.exporting import export_run

    file = folder / f"run-{number}.json"
    (folder / "second").mkdir(exist_ok=True)
    run = machine.letter()
    with machine.engine() as engine:
        file.write_bytes(b"".join(export_run(engine, run).lines()))
    return machine.wfe("import", str(file), "--json"), _second(folder)


OPERATIONS: dict[str, Callable[[Machine, Path, int], tuple[list[str], dict[str, str]]]] = {
    "decide": _decide,
    "rollback": _rollback,
    "undo": _undo,
    "trust": _trust,
    "backup": _backup,
    "restore": _restore,
    "import": _import,
}
"""What is killed: each makes a state in which its command is legal, and says the command and its variables."""
