"""Times of schedules: cron expressions of five fields, in a time zone.

A time of the day that a change of the clocks leaves out comes at the first minute after it; one that occurs twice counts once.
Where minutes or hours begin with ``*``, each hour counts as it passes. (As cron of Debian does, by the package cronsim.)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import nearest_hint

if TYPE_CHECKING:
    from collections.abc import Iterator


def next_time(cron: str, zone: str, after: datetime) -> datetime:
    """The first time after ``after`` that ``cron`` names in the time zone ``zone``, in UTC. ValueError: there is none."""
    return next(_times(cron, zone, after))


def zone_of(name: str) -> tzinfo:
    """The time zone of this IANA name; empty: that of this machine. ValueError: there is none."""
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name) if name else _Here()
    except (ValueError, OSError, KeyError):  # also the name of a folder of zones
        hint = nearest_hint(name, available_timezones(), "Name one such as Europe/Berlin.")
        raise ValueError(f"there is no time zone {name[:80]!r}. {hint}") from None


def _times(cron: str, zone: str, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError  # 15 ms, with the calendar

    five = cron if len(cron.split()) == 5 else ""  # six would have seconds
    try:
        found = CronSim(five, after.astimezone(zone_of(zone)))
    except CronSimError as fault:
        why = str(fault)[:1].lower() + str(fault)[1:]
        example = 'minute hour day-of-month month day-of-week, for example "0 7 * * 1-5"'
        raise ValueError(f"{cron[:80]!r} is no cron expression, {why}: {example}") from None
    for at in found:
        if at.astimezone(UTC) > after:  # an hour that occurs twice has its times in the first one
            yield at.astimezone(UTC)
    raise ValueError(f"{cron[:80]!r} names a day that never comes")


class _Here(tzinfo):
    """The time zone of this machine, with its changes of the clocks; it needs no name, which systems keep in different places."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:
        del dt

    def tzname(self, dt: datetime | None) -> str | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        here = dt.replace(tzinfo=UTC).astimezone()
        is_again = here.replace(tzinfo=None).astimezone().utcoffset() != here.utcoffset()
        return here.replace(tzinfo=self, fold=int(is_again))
