"""An undo that ends itself with kill -9 right after one call: ``python -m … DATABASE PROJECT RUN POINT``.

POINT: the type of an event of the operation that was just committed, or a function of ``reverting`` that just returned. In an undo
before the merge: ``undo_push`` and the like, which just returned.
"""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.engine.scene import HUMAN
from wfe_mcp.engine.delivery import undo
from wfe_mcp.engine.factory import create_beside, create_engine
from wfe_mcp.engine.runs import reverting
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.location import project_at

url, root, run, point = sys.argv[1:]
is_before = point.startswith("undo_")
module = undo if is_before else reverting
name = "record" if point.startswith("Operation") else "_look_there" if is_before else point
call = getattr(module, name)


def called(*args: Any, **named: Any) -> Any:
    found = call(*args, **named)
    if point in {name, getattr(args[2], "__name__", ""), type(args[2]).__name__}:
        os.kill(os.getpid(), signal.SIGKILL)
    return found


setattr(module, name, called)
clock = lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)  # noqa: E731 - as short as it is
engine = create_engine(project_at(Path(root)), clock=clock, store=Store.open(url, clock=clock))
if is_before:
    undo.undo_delivery(engine, HUMAN, run)
else:
    reverting.start_revert(engine, HUMAN, run, lambda folder: create_beside(engine, project_at(folder), engine.holder))
