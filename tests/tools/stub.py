"""The stub MCP server as a child that speaks HTTP: a call takes milliseconds, not the second that a new child takes."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STUB = Path(__file__).with_name("stub_server.py")


@dataclass(frozen=True)
class Stub:
    """A running server and the file in which it counts its calls."""

    origin: str
    calls: Path

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"

    def called(self, tool: str = "") -> list[dict[str, Any]]:
        """The calls so far, of ``tool`` or all."""
        return [call for call in calls_in(self.calls) if tool in {"", call["tool"]}]


def calls_in(file: Path) -> list[dict[str, Any]]:
    """What a stub has counted in ``file``."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


@contextmanager
def running_stub(calls: Path, program: Path = STUB) -> Generator[Stub]:
    """A server for the block; ``program`` takes the same arguments as the stub: a file, and the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [sys.executable, str(program), str(calls), str(port)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end and not _listens(port):
                time.sleep(0.05)
            yield Stub(f"http://127.0.0.1:{port}", calls)
        finally:
            child.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
