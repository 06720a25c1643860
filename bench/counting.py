"""A server that notes what its calls cost: one letter per statement, transaction, poll, process and look.

``python -m bench.counting FILE`` is ``wfe-mcp serve`` that appends the letters of ``KINDS`` to FILE as they happen.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {
    "s": "statements",
    "w": "writing transactions",
    "r": "reading transactions",
    "l": "reads of a run's row",
    "p": "polls of the queue",
    "g": "git processes",
    "t": "looks at the tree",
}


def count_into(file: Path) -> None:
    """From now on this process appends its letters to ``file``."""
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(letter: str) -> None:
        os.write(out, letter.encode())

    def hear(event: str, given: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and Path(str(given[0])).stem == "git":
            note("g")

    sys.addaudithook(hear)
    from sqlalchemy import Engine, event

    from wfe_mcp.jobs.worker import Worker
    from wfe_mcp.store import sqlite
    from wfe_mcp.store.jobs.jobs import JobRepository
    from wfe_mcp.store.runs.runs import RunRepository
    from wfe_mcp.workspace.git.working_tree import WorkingTree

    make = sqlite.make_engine

    def made(*given: Any, reads_only: bool, **named: Any) -> Engine:
        engine = make(*given, reads_only=reads_only, **named)
        event.listen(engine, "begin", lambda *_: note("r" if reads_only else "w"))
        event.listen(engine, "before_cursor_execute", lambda *_: note("s"))
        return engine

    sqlite.make_engine = made
    # What comes with time alone belongs to no call: only what wakes the worker makes it look.
    (Worker.__init__.__kwdefaults__ or {}).update(poll_s=3_600.0, take_over_s=3_600.0)
    for owner, name, letter in (
        (RunRepository, "load", "l"),
        (RunRepository, "revision", "l"),
        (JobRepository, "is_due", "p"),
        (WorkingTree, "look", "t"),
    ):
        setattr(owner, name, _noted(getattr(owner, name), lambda letter=letter: note(letter)))


def _noted(method: Callable[..., Any], note: Callable[[], None]) -> Callable[..., Any]:
    def called(*given: Any, **named: Any) -> Any:
        note()
        return method(*given, **named)

    return called


if __name__ == "__main__":
    from wfe_mcp.__main__ import main

    count_into(Path(sys.argv[1]))
    sys.argv[1:] = ["serve"]
    sys.exit(main())
