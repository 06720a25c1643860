"""The models as a program: ``python -m tests.fake_models [--script FILE] [--port N] [--key KEY] [--model NAME]``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fake_models.script import turns_of
from tests.fake_models.server import ModelServer

if TYPE_CHECKING:
    from types import FrameType


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted or terminated. The first line on stdout is JSON: ``{"origin": …, "v1": …}``."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_models", description=__doc__)
    parser.add_argument("--script", type=Path, help="JSON: [turn, …], or {model: [turn, …]} with * for all others")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--key", help="the only key that is right; without it any is")
    parser.add_argument("--model", action="append", default=[], help="a model it has; without one it has all")
    parser.add_argument("--log", type=Path, help="a file that gets every request as a line of JSON")
    given = parser.parse_args(argv)
    turns = {} if given.script is None else turns_of(json.loads(given.script.read_text(encoding="utf-8")))
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, partial(_end, over))
    with ModelServer(turns, key=given.key, models=given.model, port=given.port, log=given.log) as server:
        print(json.dumps({"origin": server.origin, "v1": server.v1}), flush=True)
        # With a time-out: a wait without one cannot be interrupted on Windows.
        while not over.wait(0.5):
            pass
    return 0


def _end(over: threading.Event, _number: int, _frame: FrameType | None) -> None:
    over.set()


if __name__ == "__main__":
    sys.exit(main())
