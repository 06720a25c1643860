"""Time and memory for input at and above the limits (docs/reference/limits.md), beside two seconds and 300 MB.

Each case runs in a process of its own; memory is the peak of the process plus that of its largest child. Then a running
server gets the same over stdio: from a client that waits for the answer, and from one that leaves in the middle, until
the server has ended. Its memory is the peak of the server and its children together, sampled every 5 ms.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil

from bench.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.scene import Scene, Server


_MB = 1_000_000

_BEGIN = """
import json, resource, sys, time
from wfe_mcp.core.errors import Refused
from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.server.wire import Malformed, frame_of
from wfe_mcp.workflow.lint import lint
def template(count):
    out = lambda n: {"artifact": f"a{n}", "schema": {"type": "object"}}
    text = lambda n: f"${{artifacts.a{n - 1}.title}}" if n else "x"
    return {"format": "wfe/1", "name": "big", "version": "1", "phases": [
        {"id": f"p{n}", "prompt": text(n), "output": out(n)} for n in range(count)]}
def branching(count):
    ways = {f"d{n}": {"anyOf": [{"allOf": [{"$ref": f"#/$defs/d{n + 1}"}]}, {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}]}]}
            for n in range(count)}
    return {"type": "object", "$defs": ways | {f"d{count}": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/d0"}}}
nested, wide = b"[" * 5_000_000 + b"]" * 5_000_000, b"[" + b"[]," * 2_000_000 + b"[]]"
begun = time.perf_counter()
try:
    CASE
except (Refused, Malformed):
    pass
took = time.perf_counter() - begun
unit = 1 if sys.platform == "darwin" else 1024
peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps([took, peak * unit]))
"""

_CASES = {
    "1,000 phases, lint": "lint(template(1_000))",
    "12,000 phases, refused": "lint(template(12_000))",
    "20 branching definitions, refused": "validate(branching(20), {'x': 1})",
    "13 branching definitions, answered": "validate(branching(13), {'x': 1})",
    "90,000 parts, each with a fault": "validate({'type': 'object', 'properties': {'x': {'type': 'array', 'items': {'type': 'string'}}}}, {'x': [1] * 90_000})",
    "10 MB of nesting, refused as a message": "frame_of(nested)",
    "10 MB of lists side by side, refused as a message": "frame_of(wide)",
    "10 MB of nesting, refused as an artifact": "parse_json(nested)",
}


_MIDDLE_S = 0.1
"""When the client leaves: a message has been read by then, and a check has begun."""


def measure(scene: Scene) -> list[Figure]:
    """Seconds and megabytes of each case."""
    found: list[Figure] = []
    for name, case in _CASES.items():
        done = subprocess.run(
            [sys.executable, "-c", _BEGIN.replace("CASE", case)], capture_output=True, check=True, text=True
        )
        took_s, peak_bytes = json.loads(done.stdout)
        found += _figures(name, took_s, peak_bytes)
    for name in ("12,000 phases", "20 branching definitions", "10 MB of nesting", "10 MB of lists side by side"):
        for leaves in (False, True):
            told = "the client leaves" if leaves else "answered"
            found += _figures(f"server, {name}, {told}", *_served(scene, name, leaves=leaves))
    return found


def _figures(name: str, took_s: float, peak_bytes: float) -> list[Figure]:
    return [Figure(name, took_s * 1000, "ms", 2_000), Figure(f"{name}, memory", peak_bytes / _MB, "MB", 300)]


def _served(scene: Scene, name: str, *, leaves: bool) -> tuple[float, float]:
    """Seconds until the answer, or until the server whose client leaves has ended, and the peak of its memory in bytes."""
    with scene.server() as server:
        server.hello()
        line = _line(server, name)
        with _peak(server.pid) as peak:
            begun = time.perf_counter()
            _send(server, line)
            if leaves:
                time.sleep(_MIDDLE_S)
                begun = time.perf_counter()
                server.end()
            else:
                _answer(server)
            took_s = time.perf_counter() - begun
    return took_s, peak[0]


def _line(server: Server, name: str) -> bytes:
    """The message of a case; the server is ready for it."""
    server.call("list_templates")
    match name:
        case "12,000 phases":
            made = _template("big", [_phase(number, "plan@1") for number in range(12_000)])
            return _call("save_template", definition=made)
        case "20 branching definitions":
            return _call("save_template", definition=_template("exploding", [_phase(0, _branching(20))]))
        case _:
            deep = name == "10 MB of nesting"
            value = b"[" * 5_000_000 + b"]" * 5_000_000 if deep else b"[" + b"[]," * 2_000_000 + b"[]]"
            return _call("save_template", definition={"a": 0}).replace(b'"a": 0', b'"a": ' + value)


def _template(name: str, phases: list[dict[str, Any]]) -> dict[str, Any]:
    return {"format": "wfe/1", "name": name, "version": "1.0.0", "phases": phases}


def _phase(number: int, schema: str | dict[str, Any]) -> dict[str, Any]:
    return {"id": f"p{number}", "prompt": "x", "output": {"artifact": f"a{number}", "schema": schema}}


def _branching(count: int) -> dict[str, Any]:
    """Definitions, each of which names the next one twice."""
    ways = {f"d{n}": {"anyOf": [{"allOf": [{"$ref": f"#/$defs/d{n + 1}"}]} for _ in "12"]} for n in range(count)}
    defs = ways | {f"d{count}": {"type": "string"}}
    return {"type": "object", "$defs": defs, "properties": {"x": {"$ref": "#/$defs/d0"}}}


def _call(tool: str, **arguments: Any) -> bytes:
    params = {"name": tool, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": "last", "method": "tools/call", "params": params}).encode()


def _send(server: Server, line: bytes) -> None:
    assert server.child.stdin is not None
    server.child.stdin.write(line + b"\n")
    server.child.stdin.flush()


def _answer(server: Server) -> None:
    """The answer to the last message: a refusal, whatever its form."""
    assert server.child.stdout is not None
    for line in server.child.stdout:
        frame = json.loads(line)
        if frame.get("id") == "last":
            assert "error" in frame or not frame["result"]["structuredContent"]["ok"], frame
            return
    raise RuntimeError("the server ended")


@contextmanager
def _peak(pid: int) -> Generator[list[float]]:
    """The highest memory of a process and its children together, in bytes, when the block ends."""
    most, ended, server = [0.0], threading.Event(), psutil.Process(pid)

    def sample() -> None:
        while not ended.wait(0.005):
            here = 0
            with suppress(psutil.Error):
                for each in (server, *server.children(recursive=True)):
                    with suppress(psutil.Error):
                        here += each.memory_info().rss
            most[0] = max(most[0], here)

    sampling = threading.Thread(target=sample)
    sampling.start()
    try:
        yield most
    finally:
        ended.set()
        sampling.join()
