"""The entry point of ``serve``: starts the front, then loads the SDK, and answers the first calls in between.

The front reads and answers in a separate thread meanwhile. Standard library only until it has started.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading

from wfe_mcp.server.fast_start import CACHE, FastStart
from wfe_mcp.server.wire import Wire

TYPE_CHECKING = False  # not typing's own: to load typing takes longer than the first answer
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.server.early_calls import EarlyCalls
    from wfe_mcp.server.served_project import ServedProject


def plain_options(arguments: Sequence[str]) -> tuple[str, str] | None:
    """The folder after ``--project`` and the address after ``--server``, each empty without one; None when the full command
    line must parse the arguments.
    """
    options, words = {"--project": "", "--server": ""}, list(arguments)
    while words:
        name, has_value, value = words.pop(0).partition("=")
        if name not in options or not (has_value or words):
            return None
        options[name] = value if has_value else words.pop(0)
    return options["--project"], options["--server"]


def serve(project: str, server: str = "") -> int:
    """Serve one client on standard input and output until it disconnects. ``server``: the one that answers, elsewhere."""
    try:
        with open(CACHE, "rb") as cache:  # noqa: PTH123 - pathlib takes longer to load than the answer
            front = FastStart(Wire.take(), json.loads(cache.read()))
        threading.Thread(target=front.read, name="wire", daemon=True).start()
        if server:
            from wfe_mcp.server.bridge.serve import run as pass_on

            return pass_on(front, server, project)
        served, calls = _load(front, project)
        from wfe_mcp.server.stdio import run

        return run(front, served, calls.engine)
    except KeyboardInterrupt:  # ended while it loads; the loop of the SDK has handlers of its own
        return 0


def _load(front: FastStart, project: str) -> tuple[ServedProject, EarlyCalls]:
    """Load everything, and answer the first calls on the way."""
    # The reader thread needs the interpreter briefly, but at once.
    patience_s = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    gc.disable()  # the imports create hundreds of thousands of permanent objects: garbage collection among them costs 15 %
    from wfe_mcp.server.early_calls import EarlyCalls, log_to_stderr
    from wfe_mcp.server.served_project import ServedProject
    from wfe_mcp.workspace.system.location import working_directory

    log_to_stderr()
    served = ServedProject(project or None, dict(os.environ), working_directory())
    calls = EarlyCalls(front, served)
    calls.load()
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(patience_s)
    return served, calls
