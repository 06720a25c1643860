"""Times are relative where a person reads them, and exact everywhere else."""

from datetime import UTC, datetime, timedelta

import pytest

from wfe_mcp.cli.terminal.text import ago, exact

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "now"), (12, "12 s ago"), (240, "4 min ago"), (3_700, "1 h ago"), (86_399, "23 h ago")]
)
def test_within_a_day_a_time_is_relative(seconds: int, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_after_a_day_it_is_a_date_and_a_time_of_this_machine() -> None:
    there = (NOW - timedelta(days=1)).astimezone()
    assert ago(NOW - timedelta(days=1), NOW) == f"{there.day} {there:%b %H:%M}"
    assert "2024" in ago(NOW - timedelta(days=700), NOW)


def test_an_exact_time_is_utc_to_the_second() -> None:
    assert exact("2026-11-20T23:18:01.5+01:00") == "2026-11-20T22:18:01Z"
    assert exact(datetime(2026, 11, 20, 23, 18)) == "2026-11-20T23:18:00Z"  # noqa: DTZ001 - naive on purpose: stored times are UTC
