"""A worker of one project, until it is killed: ``python -m tests.engine.webhooks.sender DATABASE PROJECT``."""

import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from wfe_mcp.engine.background.daemon import start_worker
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.location import project_at


def clock() -> datetime:
    """The time at which the scene stands still."""
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


url, root = sys.argv[1:]
start_worker(create_engine(project_at(Path(root)), clock=clock, store=Store.open(url, clock=clock)))
threading.Event().wait()
