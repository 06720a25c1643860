"""A worker that ends itself with kill -9 in a deployment: ``python -m … DATABASE PROJECT KIND PART POINT``.

POINT: the type of an event of KIND and PART that was just committed; or ``inside``, in the middle of its check, which kills it.
"""

import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wfe_mcp.core.operation_events import OperationIntended
from wfe_mcp.engine.background.daemon import start_worker
from wfe_mcp.engine.delivery import operations
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.location import project_at

url, root, kind, part, point = sys.argv[1:]
acting: list[tuple[str, str]] = []
os.environ["WORKER"] = str(os.getpid())
record = operations.record


def recorded(engine: Any, run: Any, event: Any, *more: Any) -> None:
    record(engine, run, event, *more)
    if isinstance(event, OperationIntended):
        acting[:] = [(event.kind, str(event.target.get("part", "")))]
    if acting == [(kind, part)] and type(event).__name__ == point:
        os.kill(os.getpid(), signal.SIGKILL)


operations.record = recorded
clock = lambda: datetime(2026, 3, 1, 12, 3, tzinfo=UTC)  # noqa: E731 - as short as it is
store = Store.open(url, clock=clock)
start_worker(create_engine(project_at(Path(root)), clock=clock, store=store))
threading.Event().wait(100)  # a point that was not reached fails its test
