"""The tables ``[webhooks]`` and ``[notify]`` of config.toml: where events go, and how a person is notified."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from wfe_mcp.core.errors import nearest_hint
from wfe_mcp.core.public_events import EVENTS, matches
from wfe_mcp.workspace.config.checks import Duration
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
        "When: an approval is asked for, a run stopped, a deployment failed.",
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
