"""Git processes per submission and per play, counted by a ``git`` on PATH that logs its arguments and runs the real one."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.scene import ONE_CHANGE

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.scene import Scene
    from wfe_mcp.testing.agent import Script


GIT_PER_SUBMISSION, GIT_PER_PLAY = 6, 80
"""Design §12: a submission in a 20-file repository; a play of ``spec_driven`` with eight submissions."""

_COUNTING = """#!/bin/sh
echo "$*" >> '{log}'
exec '{git}' "$@"
"""
_TASKS = 4
_FILES = {"calc.py": "def add(a, b):\n    return a + b\n"} | {
    f"{'docs' if number % 3 else 'src'}/f{number}.txt": f"file {number}\n" for number in range(18)
}
"""With .gitignore, twenty files."""


def measure(scene: Scene) -> list[Figure]:
    """Both counts, with their budgets."""
    del scene  # each count has its own repository
    one, whole = submission(), play()
    return [
        Figure(
            "git processes of a submission in a 20-file repository",
            sum(one.values()),
            "",
            GIT_PER_SUBMISSION,
            _listed(one),
        ),
        Figure(
            "git processes of spec_driven, eight submissions", sum(whole.values()), "", GIT_PER_PLAY, _listed(whole)
        ),
    ]


def submission() -> Counter[str]:
    """Git processes by command, from a submission to the end of its run: gates, evidence and the checkpoint after it."""
    from wfe_mcp.testing.playground import Playground

    with counted_git() as (folder, counted):
        template = folder / "one_change"
        template.mkdir()
        _write_json(template / "template.json", ONE_CHANGE)
        with Playground(folder, files=_FILES, checks={"test": _check()}, templates=[template]) as project:
            with project.server() as server:
                started = server.call("start_run", template="one_change", inputs={})
                server.call("start_phase", run=started["run"])
                project.write(
                    {"calc.py": "def add(a, b):\n    return b + a\n", "sub.py": "def sub(a, b):\n    return a - b\n"}
                )
                before = counted()
                answer = server.call("submit_artifact", run=started["run"], phase="build", artifact={"summary": "sub"})
                assert answer["run_state"] == "completed", answer
            return counted() - before


def spec_driven() -> Script:
    """The work of an agent on ``spec_driven``: eight submissions."""
    from wfe_mcp.testing.agent import Work

    tasks = [
        {"id": f"T-{number}", "title": f"Part {number}", "acceptance": ["It is there"], "requirements": ["R-1"]}
        for number in range(_TASKS)
    ]
    spec = {
        "title": "calc",
        "goal": "calc does more",
        "requirements": [{"id": "R-1", "text": "each part is there"}],
        "acceptance": ["All are tested"],
    }
    criteria = [{"id": "R-1", "met": True, "evidence": "part0.py"}]
    return {
        "requirements": [Work(spec)],
        "design": [Work({"front": {}, "body": "R-1: one module each.\n"})],
        "tasks": [Work({"items": tasks})],
        **{
            f"implement[T-{number}].build": [Work({"summary": "written"}, {f"part{number}.py": f"PART = {number}\n"})]
            for number in range(_TASKS)
        },
        "accept": [Work({"passed": True, "summary": "looked", "criteria": criteria})],
    }


def play() -> Counter[str]:
    """Git processes by command of a whole play: those of the server, and of the person who decides."""
    from wfe_mcp.testing.agent import drive
    from wfe_mcp.testing.playground import Playground

    with counted_git() as (folder, counted), Playground(folder, files=_FILES, checks={"test": _check()}) as project:
        before = counted()
        with project.server() as server:
            inputs = {"name": "parts", "goal": "calc does more"}
            played = drive(server.call, project.root, "spec_driven", inputs, spec_driven(), person=project.approve)
            assert played.last["run_state"] == "completed", played.last
            assert [tool for tool, _ in played.steps].count("submit_artifact") == 8
        return counted() - before


@contextmanager
def counted_git() -> Generator[tuple[Path, Any]]:
    """A temporary folder, and a function that counts the git processes so far; PATH is as before afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="wfe-git-"))
    git, path = shutil.which("git"), os.environ.get("PATH", "")
    assert git, "git is counted here"
    log, counting = folder / "git.log", folder / "bin" / "git"
    counting.parent.mkdir()
    counting.write_text(_COUNTING.format(log=log, git=git), encoding="utf-8")
    counting.chmod(0o755)
    log.touch()

    def counted() -> Counter[str]:
        return Counter(_command(line) for line in log.read_text(encoding="utf-8", errors="replace").splitlines())

    os.environ["PATH"] = f"{counting.parent}{os.pathsep}{path}"
    try:
        yield folder, counted
    finally:
        os.environ["PATH"] = path
        shutil.rmtree(folder, ignore_errors=True)


def _command(line: str) -> str:
    """The name of the git command, after git's own options."""
    words = re.sub(r"--no-pager |-c \S+ |-C \S+ ", "", f"{line} ").split()
    return words[0] if words else "git"


def _check() -> list[str]:
    return [sys.executable, "-c", "import calc; print('Ran 1 test in 0.1s\\n\\nOK')"]


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _write_json(file: Path, value: Any) -> None:
    import json

    file.write_text(json.dumps(value), encoding="utf-8")
