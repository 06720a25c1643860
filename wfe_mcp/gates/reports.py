"""Reads the reports that one execution of a check wrote, and copies them into the evidence.

Each report is copied next to the log, because the next execution may overwrite the original.
"""

import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.gates.check import Execution
from wfe_mcp.gates.coverage import parse_coverage
from wfe_mcp.gates.junit import parse_junit
from wfe_mcp.gates.markup import UnreadableReport
from wfe_mcp.gates.results import TestResults
from wfe_mcp.gates.scanners import first_json, parse_scanner_report
from wfe_mcp.workspace.files.project_files import read_file

MAX_REPORT_BYTES = 20_000_000

Stamps = dict[str, tuple[int, int, int] | None]
"""Kind of report → (inode, size, modification time in ns) before the check; None where there was no regular file."""

T = TypeVar("T")


@dataclass(slots=True)
class Reports:
    """The parsed reports. ``notes`` name reports that are missing, old or unreadable; ``sha256`` is by kind."""

    tests: TestResults | None = None
    coverage_percent: float | None = None
    security: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list[str])
    sha256: dict[str, str] = field(default_factory=dict[str, str])


def stamps(plan: Execution) -> Stamps:
    """The state of the check's reports now."""
    return {kind: _stamp(path) for kind, path in plan.reports.items()}


def read_reports(plan: Execution, root: Path, before: Stamps, log: Path) -> Reports:
    """Read the reports that the check wrote since ``before``; a printed scanner report is read from ``log``."""
    reports = Reports()

    def read(kind: str, parse: Callable[[bytes], T], printed: Callable[[], bytes] | None = None) -> T | None:
        path = plan.reports.get(kind)
        if path is None and printed is None:
            return None
        try:
            content = printed() if path is None and printed else _fresh(plan.reports[kind], root, before[kind])
            value = parse(content)
        except (UnreadableReport, Refused, OSError) as exc:
            why = exc.message if isinstance(exc, Refused) else str(exc)
            reports.notes.append(f"The {kind} report does not count: {why}")
            return None
        reports.sha256[kind] = sha256_hex(content)
        copy = log.with_suffix(f".{kind}{path.suffix if path else '.json'}")
        if copy != path:
            copy.write_bytes(content)
        return value

    printed = (lambda: first_json(log.read_text("utf-8", errors="replace")).encode()) if plan.prints_report else None
    reports.tests = read("junit", parse_junit)
    reports.coverage_percent = read("coverage", parse_coverage)
    reports.security = read("sarif", lambda content: _scanner_report(content, root), printed)
    return reports


def _scanner_report(content: bytes, root: Path) -> dict[str, Any]:
    return parse_scanner_report(content.decode("utf-8-sig", errors="replace"), str(root))


def _fresh(path: Path, root: Path, before: tuple[int, int, int] | None) -> bytes:
    stamp = _stamp(path)
    if stamp is None:
        raise UnreadableReport(f"the check did not write {path.name!r}")
    if before == stamp:
        raise UnreadableReport(f"{path.name!r} is older than this execution: the check did not write it")
    if path.is_relative_to(root):
        return read_file(root, path.relative_to(root).as_posix(), MAX_REPORT_BYTES)
    # Outside the project, as an absolute path in trusted configuration.
    if stamp[1] > MAX_REPORT_BYTES:
        raise UnreadableReport(f"{path.name!r} has {stamp[1]} bytes, more than {MAX_REPORT_BYTES}")
    return path.read_bytes()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
