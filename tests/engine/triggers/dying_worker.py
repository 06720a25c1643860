"""A worker that dies where a due run starts: ``python -m tests.engine.triggers.dying_worker DATABASE PROJECT before|after NOW``."""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from wfe_mcp.engine.background.daemon import new_worker
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.triggers import starting
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.location import project_at

url, root, where, now = sys.argv[1:]
start_run: Any = starting.start_run


def clock() -> datetime:
    """The time at which the scene stands still."""
    return datetime.fromisoformat(now)


def start_and_die(*args: Any, **keys: Any) -> None:
    """Start the run, or do not, and be killed."""
    if where == "after":
        start_run(*args, **keys)
    os.kill(os.getpid(), signal.SIGKILL)


starting.start_run = start_and_die  # pyright: ignore[reportAttributeAccessIssue] - the moment of the kill
new_worker(create_engine(project_at(Path(root)), clock=clock, store=Store.open(url, clock=clock))).work_one()
