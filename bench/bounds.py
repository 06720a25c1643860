"""Time and memory for input at and above the limits (docs/reference/limits.md), beside two seconds and 300 MB.

Each case runs in a process of its own; memory is the peak of the process plus that of its largest child. Lint is
measured above its limit too, to show that it grows with the size of the template.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.figures import Figure

if TYPE_CHECKING:
    from bench.scene import Scene

__all__ = ["measure"]

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
    "10 MB of nesting, refused as a message": "frame_of(nested)",
    "10 MB of lists side by side, refused as a message": "frame_of(wide)",
    "10 MB of nesting, refused as an artifact": "parse_json(nested)",
}


def measure(scene: Scene) -> list[Figure]:
    """Seconds and megabytes of each case."""
    del scene
    found: list[Figure] = []
    for name, case in _CASES.items():
        done = subprocess.run(
            [sys.executable, "-c", _BEGIN.replace("CASE", case)], capture_output=True, check=True, text=True
        )
        took_s, peak_bytes = json.loads(done.stdout)
        found += [Figure(name, took_s * 1000, "ms", 2_000), Figure(f"{name}, memory", peak_bytes / _MB, "MB", 300)]
    return found
