"""The tables ``[incoming]`` and ``[schedule]`` of config.toml: what starts a template without a person or a client."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, JsonValue

from wfe_mcp.workspace.config.checks import Name
from wfe_mcp.workspace.config.cron import next_time, zone_of
from wfe_mcp.workspace.config.table import Table, optional, required


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

    template: str = required("The template that it starts, as an agent would: `policy.templates` holds.")
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

    cron: Cron = required('When: minute, hour, day of month, month, day of week, such as `"0 7 * * 1-5"`.')
    timezone: Zone = optional("", 'The time zone of these times: `"Europe/Berlin"`; without it, that of the machine.')

    def next(self, after: datetime) -> datetime:
        """The first time after ``after``, in UTC."""
        return next_time(self.cron, self.timezone, after)
