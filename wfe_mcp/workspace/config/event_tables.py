"""The tables of config.toml for events: ``[webhooks]`` and ``[notify]`` send them, ``[incoming]`` and ``[schedule]`` start templates.

Times are cron expressions of five fields, in a time zone. A time of the day that a change of the clocks leaves out comes at the
first minute after it; one that occurs twice counts once. Where minutes or hours begin with ``*``, each hour counts as it passes.
(As cron of Debian does, by the package cronsim.)
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, JsonValue

from wfe_mcp.core.errors import nearest_hint
from wfe_mcp.core.public_events import EVENTS, matches
from wfe_mcp.workspace.config.checks import Duration, Name
from wfe_mcp.workspace.config.origins import origin_fault
from wfe_mcp.workspace.config.table import Table, optional, required_key


def _selects(pattern: str) -> str:
    if not any(matches(pattern, event) for event in EVENTS):
        raise ValueError(f"no event is called {pattern!r}. {nearest_hint(pattern, EVENTS, 'All: *')}")
    return pattern


def _hours(text: str) -> str:
    if text and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError('two times of the day, for example "22:00-07:00"')
    return text


EventPattern = Annotated[str, AfterValidator(_selects)]
Hours = Annotated[str, AfterValidator(_hours)]


class WebhookSettings(Table):
    """One ``[webhooks.<name>]`` table: a receiver of events, by the Standard Webhooks specification."""

    effect = "sends"
    signs: ClassVar = "webhook"

    url: str = required_key("The address that events are sent to: https, or an origin that `[http] allow` names.")
    events: list[EventPattern] = optional(
        ["*"], 'The events that it gets: names, `"*"`, or a group such as `"approval.*"`.'
    )
    templates: list[str] = optional([], "Only runs of these templates; none named: of every one.")
    projects: list[str] = optional([], "Only projects with these names; none named: every one.")
    secret: str = optional(
        "", "The name of the credential that signs; without it `webhook-` and the name of the webhook."
    )
    format: Literal["standard", "cloudevents"] = optional(
        "standard", "The form of the body: `standard` as the specification recommends, or `cloudevents`.", effect="form"
    )
    enabled: bool = optional(True, "Whether new events are sent.")

    def fault(self, allow: list[str]) -> str:
        """Why it cannot be used; empty when it can. ``allow``: origins that may be reached over plain http."""
        return origin_fault(self.url, allow)


class NotifySettings(Table):
    """``[notify]``: how you hear that you are needed. Only in your own configuration; a project's does not count."""

    effect = "starts"

    events: list[Literal["approval", "stopped", "deployment"]] = optional(
        ["approval", "stopped", "deployment"],
        "When: an approval is asked for, a run stopped or needs your work, a deployment failed.",
        effect="limit",
    )
    desktop: bool = optional(False, "Whether the desktop of this machine shows it.")
    terminal: bool = optional(
        False,
        "Whether `wfe-mcp watch` and `wfe-mcp run` ring the bell and set the title of their terminal.",
        effect="form",
    )
    command: list[str] = optional(
        [],
        "A program of yours and its arguments, once you have trusted it; it reads JSON from its standard input.",
        weakens=bool,
    )
    apprise: list[str] = optional(
        [],
        "Names of credentials, each an address of Apprise (ntfy, Slack, Telegram …); needs the extra `notify`.",
        effect="sends",
        weakens=bool,
    )
    quiet: Hours = optional(
        "", 'Hours, in local time, in which only a failed deployment is shown at once: `"22:00-07:00"`.', effect="limit"
    )
    remind: Duration = optional("10m", "How long before its end an open request is shown once more.", effect="limit")


def _pointer(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError(f"no JSON pointer: one begins with '/'. Did you mean '/{text[:80]}'?")
    return text


def _cron(text: str) -> str:
    next_time(text, "UTC", datetime.now(UTC))
    return text


def _zone(name: str) -> str:
    zone_of(name)
    return name


Pointer = Annotated[str, AfterValidator(_pointer)]
Cron = Annotated[str, AfterValidator(_cron)]
Zone = Annotated[str, AfterValidator(_zone)]


class TriggerSettings(Table):
    """What starts a template, as an agent would."""

    effect = "starts"

    template: str = required_key("The template that it starts, as an agent would: `policy.templates` holds.")
    inputs: dict[str, JsonValue] = optional({}, "Inputs of the run, as they are.")
    driver: Name | None = optional(
        None, "The role that works the run; without it, the run waits for a client.", effect="roles"
    )
    enabled: bool = optional(True, "Whether it starts anything now.")


class IncomingSettings(TriggerSettings):
    """One ``[incoming.<name>]`` table: another system that may start a template, by the Standard Webhooks specification."""

    signs: ClassVar = "incoming"

    from_body: dict[str, Pointer] = optional(
        {}, 'Inputs from the body of the request, by JSON pointer: `{ goal = "/issue/title" }`; `""` is the whole body.'
    )
    secret: str = optional(
        "", "The name of the credential that signs; without it `incoming-` and the name of this table."
    )


class ScheduleSettings(TriggerSettings):
    """One ``[schedule.<name>]`` table: times at which a template starts."""

    cron: Cron = required_key('When: minute, hour, day of month, month, day of week, such as `"0 7 * * 1-5"`.')
    timezone: Zone = optional("", 'The time zone of these times: `"Europe/Berlin"`; without it, that of the machine.')

    def next(self, after: datetime) -> datetime:
        """The first time after ``after``, in UTC."""
        return next_time(self.cron, self.timezone, after)


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
        sim = CronSim(five, after.astimezone(zone_of(zone)))
    except CronSimError as fault:
        why = str(fault)[:1].lower() + str(fault)[1:]
        example = 'minute hour day-of-month month day-of-week, for example "0 7 * * 1-5"'
        raise ValueError(f"{cron[:80]!r} is no cron expression, {why}: {example}") from None
    for at in sim:
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
