"""Reads the reports that one execution of a check wrote, and copies them into the evidence.

Each report is copied next to the log, because the next execution may overwrite the original. Only the files of a runner
that writes one per class (Surefire, Gradle) are not: their sum is in the evidence.

Line coverage in percent, read from a coverage report.

Formats: Cobertura XML (also coverage.py's), JaCoCo XML, coverage.py JSON, Istanbul's json-summary, lcov. The
content determines the format, not the file's name.
"""

import stat
from collections.abc import Callable
from dataclasses import field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.gates.check import Execution, TestReport
from wfe_mcp.gates.markup import UnreadableReport, parse_xml, read_json
from wfe_mcp.gates.results import TestResults, below, merge_results
from wfe_mcp.gates.scanners import first_json, parse_scanner_report
from wfe_mcp.gates.xml_reports import parse_junit
from wfe_mcp.workspace.files.mirror import content_digest
from wfe_mcp.workspace.files.project_files import read_file, replace_file
from wfe_mcp.workspace.system.redaction import raw_without_hidden

MAX_REPORT_BYTES = 20_000_000
MAX_REPORT_FILES = 5_000

Stamp = tuple[int, int, int]
"""Inode, size, modification time in ns."""
Stamps = dict[Path, Stamp]
"""Path of a report → its stamp before the check. A path is missing where there was no regular file."""

T = TypeVar("T")


@dataclass(slots=True)
class Reports:
    """The parsed reports. ``notes`` name reports that are missing, old or unreadable; ``sha256`` is by kind."""

    tests: TestResults | None = None
    coverage_percent: float | None = None
    security: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list[str])
    sha256: dict[str, str] = field(default_factory=dict[str, str])
    kept: dict[str, str] = field(default_factory=dict[str, str])
    """What lies beside the log: file or folder → ``content_digest``."""


def stamps(plan: Execution) -> Stamps:
    """The state of the check's reports now."""
    tests = _files(plan.tests) if plan.tests else []
    stamped = ((path, _stamp(path)) for path in (*plan.reports.values(), *tests))
    return {path: stamp for path, stamp in stamped if stamp is not None}


def read_reports(plan: Execution, root: Path, before: Stamps, log: Path, *, is_cut: bool = False) -> Reports:
    """Read the reports that the check wrote since ``before``; what was printed is read from ``log``.

    ``is_cut``: the log lacks a part of the output.
    """
    reader = _Reader(root, before, log, Reports())
    if plan.tests is not None and (results := _tests(reader, plan.tests, is_cut=is_cut)) is not None:
        name = plan.runner.name if plan.runner else ""
        reader.reports.tests = replace(below(root, results), counted_from=plan.tests.kind, runner=name)
    written = log.with_suffix(".tests")
    if (digest := content_digest(written)) is not None:
        reader.reports.kept[written.name] = digest
    if "coverage" in plan.reports:
        reader.reports.coverage_percent = reader.file("coverage", plan.reports["coverage"], parse_coverage)
    if "sarif" in plan.reports:
        path = plan.reports["sarif"]
        reader.reports.security = reader.file("sarif", path, lambda found: _scanner_report(found, root))
    elif plan.prints_report:
        printed = first_json(log.read_text("utf-8", errors="replace")).encode()
        reader.reports.security = reader.read(
            "sarif", lambda: printed, lambda found: _scanner_report(found, root), ".json"
        )
    return reader.reports


def report_files(plan: Execution, before: Stamps) -> list[Path]:
    """The files that the check wrote as reports since ``before``."""
    written = {*plan.reports.values(), *(_files(plan.tests) if plan.tests else ())}
    stamp_by_path = {path: _stamp(path) for path in sorted(written)}
    return [path for path, stamp in stamp_by_path.items() if stamp is not None and stamp != before.get(path)]


def hide_in_reports(plan: Execution, before: Stamps, log: Path) -> None:
    """Take hidden values out of the reports that the check wrote since ``before``, where they lie: agents read them there."""
    own = log.with_suffix(".tests")
    written = {*plan.reports.values(), *(_files(plan.tests) if plan.tests else ()), own, *own.glob("*")}
    for path in sorted(written):
        stamp = _stamp(path)
        if stamp is None or stamp == before.get(path) or stamp[1] > MAX_REPORT_BYTES:
            continue
        content = path.read_bytes()
        shown = raw_without_hidden(content)
        if shown != content:
            replace_file(path, shown, None)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads reports one by one; what cannot be read becomes a note."""

    root: Path
    before: Stamps
    log: Path
    reports: Reports

    def file(self, kind: str, path: Path, parse: Callable[[bytes], T]) -> T | None:
        return self.read(kind, lambda: _fresh(path, self.root, self.before.get(path)), parse, path.suffix)

    def read(self, kind: str, load: Callable[[], bytes], parse: Callable[[bytes], T], suffix: str) -> T | None:
        """The parsed report; with a ``suffix`` it is also kept next to the log."""
        try:
            content = load()
            value = parse(content)
        except (UnreadableReport, Refused, OSError, ValueError, OverflowError) as exc:  # the last two: its numbers
            why = exc.message if isinstance(exc, Refused) else str(exc)
            self.reports.notes.append(f"The {kind} report does not count: {why}")
            return None
        self.reports.sha256[kind] = sha256_hex(content)
        if suffix:  # whatever the check put there itself
            copy = self.log.with_suffix(f".{kind}{suffix}")
            replace_file(copy, content)
            self.reports.kept[copy.name] = self.reports.sha256[kind]
        return value


def _tests(reader: _Reader, tests: TestReport, *, is_cut: bool) -> TestResults | None:
    kind = "junit" if tests.parse is parse_junit else "tests"
    if not tests.globs:
        return reader.read(kind, lambda: _read_log(reader.log, is_cut=is_cut), tests.parse, "")
    if not any("*" in glob for glob in tests.globs):
        return reader.file(kind, tests.folder / tests.globs[0], tests.parse)
    fresh = [path for path in _files(tests) if _stamp(path) != reader.before.get(path)]
    parts = [
        reader.read(path.name, lambda path=path: _fresh(path, reader.root, None), tests.parse, "") for path in fresh
    ]
    results = [part for part in parts if part is not None]
    return merge_results(results) if results else None


def _scanner_report(content: bytes, root: Path) -> dict[str, Any]:
    return parse_scanner_report(content.decode("utf-8-sig", errors="replace"), str(root))


def _files(tests: TestReport) -> list[Path]:
    """The files of the report that exist, in order."""
    paths = {path for glob in tests.globs for path in islice(tests.folder.glob(glob), MAX_REPORT_FILES)}
    return sorted(paths)[:MAX_REPORT_FILES]


def _read_log(log: Path, *, is_cut: bool) -> bytes:
    if is_cut:
        raise UnreadableReport("the output is too long to be kept whole")
    return log.read_bytes()


def _fresh(path: Path, root: Path, before: Stamp | None) -> bytes:
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


def _stamp(path: Path) -> Stamp | None:
    try:
        facts = path.lstat()
    except OSError:
        return None
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns) if stat.S_ISREG(facts.st_mode) else None


def parse_coverage(content: bytes) -> float:
    """Percent of lines covered, 0 to 100, two decimals. Refuses (UnreadableReport): an unknown format."""
    start = content.lstrip()[:1]
    percent = _of_xml(content) if start == b"<" else _of_json(content) if start == b"{" else _of_lcov(content)
    if not 0 <= percent <= 100:
        raise UnreadableReport(f"it states {percent} percent")
    return round(percent, 2)


def _of_xml(content: bytes) -> float:
    root = parse_xml(content)
    try:
        if root.tag == "coverage":
            return float(root.attrib["line-rate"]) * 100
        # JaCoCo: the counters directly below the report are its totals.
        lines = next(counter for counter in root.findall("counter") if counter.get("type") == "LINE")
        return _share(int(lines.attrib["covered"]), int(lines.attrib["covered"]) + int(lines.attrib["missed"]))
    except (KeyError, ValueError, StopIteration) as exc:
        raise UnreadableReport(f"<{root.tag}> holds no line rate") from exc


def _of_json(content: bytes) -> float:
    try:
        root = cast("dict[str, Any]", read_json(content))
        if "totals" in root:
            return float(root["totals"]["percent_covered"])
        return float(root["total"]["lines"]["pct"])
    except (ValueError, KeyError, TypeError) as exc:
        raise UnreadableReport("it has neither totals.percent_covered nor total.lines.pct") from exc


def _of_lcov(content: bytes) -> float:
    lines = hit = 0
    for line in content.decode("utf-8", errors="replace").splitlines():
        key, _, value = line.strip().partition(":")
        if value.isdecimal():
            lines += int(value) if key == "LF" else 0
            hit += int(value) if key == "LH" else 0
    if not lines:
        raise UnreadableReport("it is neither XML nor JSON, and as lcov it counts no lines")
    return _share(hit, lines)


def _share(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 100.0
