"""A worker that ends itself with kill -9 right after one call: ``python -m … DATABASE PROJECT KIND POINT [TIME]``.

POINT: the type of an event of KIND that was just committed, or ``package.module.function`` below ``wfe_mcp.delivery`` that just
returned while KIND was acting.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from wfe_mcp.core.operation_events import OperationIntended
from wfe_mcp.engine.background.daemon import start_worker
from wfe_mcp.engine.delivery import operations
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.location import project_at

url, root, kind, point, *at = sys.argv[1:]
now = datetime.fromisoformat(at[0]) if at else datetime(2026, 3, 1, 12, tzinfo=UTC)
acting: list[str] = []


def dead_after(call: Callable[..., Any], is_due: Callable[..., bool]) -> Callable[..., Any]:
    def called(*args: Any, **named: Any) -> Any:
        found = call(*args, **named)
        if is_due(*args):
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return called


def recorded(_engine: Any, _run: Any, event: Any) -> bool:
    if isinstance(event, OperationIntended):
        acting[:] = [event.kind]
    return acting == [kind] and type(event).__name__ == point


operations.record = dead_after(operations.record, recorded)
if "." in point:
    name, _, function = point.rpartition(".")
    module = import_module(f"wfe_mcp.delivery.{name}")
    setattr(module, function, dead_after(getattr(module, function), lambda *_: acting == [kind]))

clock = lambda: now  # noqa: E731 - as short as it is
store = Store.open(url, clock=clock)
start_worker(create_engine(project_at(Path(root)), clock=clock, store=store))
threading.Event().wait(100)  # a point that was not reached fails its test
