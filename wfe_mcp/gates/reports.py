"""Which reports did this execution of a check write, and what do they say?

Each report is copied next to the log, so that the evidence stays when the next execution overwrites the original.
"""

import posixpath
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.gates.check import STDOUT, FrozenCheck
from wfe_mcp.gates.coverage import parse_coverage
from wfe_mcp.gates.junit import parse_junit
from wfe_mcp.gates.markup import UnreadableReport
from wfe_mcp.gates.results import TestResults
from wfe_mcp.gates.scanners import first_json, parse_scanner_report
from wfe_mcp.workspace.files import read_file

__all__ = ["Reports", "Stamps", "read_reports", "stamps"]

MAX_REPORT_BYTES = 20_000_000

Stamps = dict[str, tuple[int, int, int]]
"""Report path → (inode, size, time of change in ns), as they stood before the check."""

T = TypeVar("T")


@dataclass(slots=True)
class Reports:
    """What the reports say. ``notes`` name reports that are missing, old or unreadable; ``sha256`` is by kind."""

    tests: TestResults | None = None
    coverage_percent: float | None = None
    security: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list[str])
    sha256: dict[str, str] = field(default_factory=dict[str, str])


def stamps(check: FrozenCheck, cwd: Path) -> Stamps:
    """The state of the check's reports now; those that do not exist are absent."""
    paths = [path for path in (check.junit, check.coverage, check.sarif) if path and path != STDOUT]
    return {path: stamp for path in paths if (stamp := _stamp(cwd / path)) is not None}


def read_reports(check: FrozenCheck, root: Path, cwd: Path, before: Stamps, log: Path) -> Reports:
    """Read what the check wrote since ``before``; the scanner's report may be in its output, the ``log``."""
    reports = Reports()

    def read(kind: str, path: str | None, parse: Callable[[bytes], T]) -> T | None:
        if path is None:
            return None
        try:
            content = _printed(log) if path == STDOUT else _fresh(path, root, cwd, before)
            value = parse(content)
        except (UnreadableReport, Refused, OSError, RecursionError) as exc:
            why = exc.message if isinstance(exc, Refused) else str(exc)
            reports.notes.append(f"The {kind} report {path!r} does not count: {why}")
            return None
        reports.sha256[kind] = sha256_hex(content)
        _keep(content, log.with_suffix(f".{kind}{Path(path).suffix}"), cwd / path)
        return value

    reports.tests = read("junit", check.junit, parse_junit)
    reports.coverage_percent = read("coverage", check.coverage, parse_coverage)
    reports.security = read("sarif", check.sarif, lambda content: _scanner_report(content, root))
    return reports


def _scanner_report(content: bytes, root: Path) -> dict[str, Any]:
    return parse_scanner_report(content.decode("utf-8-sig", errors="replace"), str(root))


def _printed(log: Path) -> bytes:
    return first_json(log.read_text("utf-8", errors="replace")).encode()


def _fresh(path: str, root: Path, cwd: Path, before: Stamps) -> bytes:
    stamp = _stamp(cwd / path)
    if stamp is None:
        raise UnreadableReport("the check did not write it")
    if before.get(path) == stamp:
        raise UnreadableReport("it was there before, and the check did not write it anew")
    if Path(path).is_absolute():
        # Ours, or named so in trusted configuration; it may lie outside the project.
        return _capped(Path(path), stamp[1])
    relative = posixpath.relpath(posixpath.join(cwd.as_posix(), path), root.resolve().as_posix())
    return read_file(root, relative, MAX_REPORT_BYTES)


def _capped(path: Path, size_bytes: int) -> bytes:
    if size_bytes > MAX_REPORT_BYTES:
        raise UnreadableReport(f"it has {size_bytes} bytes, more than {MAX_REPORT_BYTES}")
    return path.read_bytes()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _keep(content: bytes, copy: Path, original: Path) -> None:
    if copy != original:
        copy.write_bytes(content)
