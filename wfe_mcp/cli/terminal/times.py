"""Times as people read them, and exact ones (UTC, ISO 8601) for programs."""

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def exact(at: datetime | str) -> str:
    """UTC to the second: ``2026-11-20T23:18:01Z``."""
    return _utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(at: datetime | str, now: datetime) -> str:
    """``4 min ago``; after a day this machine's date and time, ``20 Nov 23:18``."""
    then = _utc(at)
    seconds = max(0, int((now - then).total_seconds()))
    for length, unit in ((_HOUR, "h"), (_MINUTE, "min"), (1, "s")):
        if length <= seconds < _DAY:
            return f"{seconds // length} {unit} ago"
    if not seconds:
        return "now"
    here = then.astimezone()
    year = "" if here.year == now.astimezone().year else f" {here.year}"
    return f"{here.day} {here:%b}{year} {here:%H:%M}"


def clock_time(at: datetime | str) -> str:
    """The time of day on this machine, to the second."""
    return f"{_utc(at).astimezone():%H:%M:%S}"


def _utc(at: datetime | str) -> datetime:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
