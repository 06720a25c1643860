"""Checks a schema or a value in a child process that ends at its limits.

For checks whose work cannot be bounded (``weight.py``): the JSON Schema engine can be stopped only with its process.

    faults_in_child ──► python -m wfe_mcp.artifacts.isolated ──► faults as JSON, or ended at a limit: Refused too_large

Limits (``core/limits.py``): processor time and memory by the operating system; on Windows, which has no such limits for
a process, the time that passes. macOS does not enforce the one on memory. ``_WAIT_S`` ends a child that the machine does
not let run, or that hangs after it was refused memory. A process that ends takes its children with it (``end_children``); one that is killed leaves them to their
limits.
"""

import json
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

from wfe_mcp.core import limits
from wfe_mcp.core.errors import Detail, Refused

_WAIT_S = 2.0 if sys.platform == "win32" else 4.0
_children: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


class CheckAbandoned(Exception):
    """The process is about to end, so its check was ended without an answer."""


def faults_in_child(schema: dict[str, Any], value: dict[str, Any] | None) -> tuple[Detail, ...]:
    """The faults of ``value``, or of ``schema`` itself without one. Refuses ``too_large`` when a limit ended the child.

    Raises CheckAbandoned when ``end_children`` did.
    """
    asked = json.dumps({"schema": schema, "value": value}).encode()
    command = [sys.executable, "-P", "-m", __name__]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as child:
        with _lock:
            _children.add(child)
        try:
            output, _ = child.communicate(asked, timeout=_WAIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            _refuse(f"more than {_WAIT_S:g} seconds")
        finally:
            with _lock:
                was_ended = child not in _children
                _children.discard(child)
    if was_ended:
        raise CheckAbandoned
    if child.returncode != 0:
        _refuse(
            f"more than {limits.CHECK_SECONDS.most} second of processor time, or {limits.CHECK_BYTES.most:,} bytes of memory"
        )
    return tuple(Detail(**detail) for detail in json.loads(output))


def end_children() -> None:
    """End the checks that run now: this process is about to end, and no caller waits for their answers."""
    with _lock:
        running = list(_children)
        _children.clear()
    for child in running:
        child.kill()


def main() -> int:
    """Read the question on standard input, answer it on standard output."""
    asked = json.loads(sys.stdin.buffer.read())
    _limit_this_process()
    from wfe_mcp.artifacts.inline import faults_here, schema_faults_here

    schema, value = asked["schema"], asked["value"]
    faults = schema_faults_here(schema) if value is None else faults_here(schema, value)
    details = [
        {"path": detail.path, "message": detail.message, "expected": detail.expected, "got": detail.got}
        for detail in faults
    ]
    sys.stdout.write(json.dumps(details))
    return 0


def _limit_this_process() -> None:
    if sys.platform == "win32":  # pragma: no cover
        return
    import resource

    for number, most in (
        (resource.RLIMIT_CPU, limits.CHECK_SECONDS.most),
        (resource.RLIMIT_AS, limits.CHECK_BYTES.most),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # macOS: there is no limit on memory
            resource.setrlimit(number, (most, most))


def _refuse(needed: str) -> NoReturn:
    raise Refused(
        "too_large",
        f"The check against the JSON Schema was ended: it needs {needed}, because the schema has too many branches, or the value too many faults.",
        limits.CHECK_SECONDS.remedy,
    ) from None


if __name__ == "__main__":
    sys.exit(main())
