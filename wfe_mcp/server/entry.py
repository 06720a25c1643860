"""The entry point of ``serve``: starts the front, then imports the SDK.

The front reads and answers in a separate thread during the import. Standard library only until then.
"""

import gc
import json
import sys
import threading
from collections.abc import Sequence

from wfe_mcp.server.fast_start import CACHE, FastStart
from wfe_mcp.server.wire import Wire


def project_flag(arguments: Sequence[str]) -> str | None:
    """The folder after ``--project`` (empty without one); None when the full command line must parse the arguments."""
    match list(arguments):
        case []:
            return ""
        case ["--project", folder]:
            return folder
        case [only] if only.startswith("--project="):
            return only.removeprefix("--project=")
        case _:
            return None


def serve(project: str) -> int:
    """Serve one client on standard input and output until it disconnects."""
    front = FastStart(Wire.take(), json.loads(CACHE.read_bytes()))
    threading.Thread(target=front.read, name="wire", daemon=True).start()
    # During the import, the reader thread needs the interpreter briefly, but at once.
    patience_s = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    gc.disable()  # the imports create hundreds of thousands of permanent objects: garbage collection among them costs 15 %
    try:
        from wfe_mcp.server.stdio import run
    except KeyboardInterrupt:
        return 0
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(patience_s)
    return run(front, project)
