"""How much of the code the tests reached, in the formats people have."""

import pytest

from wfe_mcp.gates.markup import UnreadableReport
from wfe_mcp.gates.reports import parse_coverage


@pytest.mark.parametrize(
    ("content", "percent"),
    [
        (b'<?xml version="1.0"?><coverage line-rate="0.8765" version="7"/>', 87.65),
        (
            b'<report><package><counter type="LINE" missed="9" covered="1"/></package>'
            b'<counter type="INSTRUCTION" missed="1" covered="1"/><counter type="LINE" missed="1" covered="3"/></report>',
            75.0,
        ),
        (b'{"totals": {"percent_covered": 93.333333}}', 93.33),
        (b'{"total": {"lines": {"total": 10, "covered": 5, "pct": 50}}}', 50.0),
        (b"TN:\nSF:a.js\nLF:10\nLH:4\nend_of_record\nSF:b.js\nLF:10\nLH:10\nend_of_record\n", 70.0),
        (b'<report><counter type="LINE" missed="0" covered="0"/></report>', 100.0),
    ],
)
def test_line_coverage_is_read(content: bytes, percent: float) -> None:
    assert parse_coverage(content) == percent


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<coverage/>", "no line rate"),
        (b"<report/>", "no line rate"),
        (b'<coverage line-rate="many"/>', "no line rate"),
        (b'{"total": 3}', "neither"),
        (b"{", "not JSON"),
        (b"hello", "counts no lines"),
        (b'<coverage line-rate="7"/>', "states 700"),
    ],
)
def test_what_is_no_coverage_report_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(UnreadableReport, match=why):
        parse_coverage(content)
