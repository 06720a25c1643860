"""Line coverage in percent, read from a coverage report.

Formats: Cobertura XML (also coverage.py's), JaCoCo XML, coverage.py JSON, Istanbul's json-summary, lcov. The
content determines the format, not the file's name.
"""

from typing import Any, cast

from wfe_mcp.gates.markup import UnreadableReport, parse_xml, read_json


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
    found = hit = 0
    for line in content.decode("utf-8", errors="replace").splitlines():
        key, _, value = line.strip().partition(":")
        if value.isdecimal():
            found += int(value) if key == "LF" else 0
            hit += int(value) if key == "LH" else 0
    if not found:
        raise UnreadableReport("it is neither XML nor JSON, and as lcov it counts no lines")
    return _share(hit, found)


def _share(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 100.0
