"""The tables of config.toml for limits: concurrency, budgets, retention and provider outages.

The descriptions are the reference page's text: docs/reference/configuration.md is made from them.
"""

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

from wfe_mcp.workspace.config.checks import Duration
from wfe_mcp.workspace.config.provider_tables import Count
from wfe_mcp.workspace.config.table import Table, optional

if TYPE_CHECKING:
    from wfe_mcp.workspace.git.snapshot_files import Limits

LimitedQueue = Literal["llm", "agent", "vision", "command", "step", "webhook", "runner"]
"""The queues that may be limited. Timers are not: they trigger the deadlines of runs."""


def _amount(amount: float) -> float:
    if not 0 < amount < float("inf"):
        raise ValueError("an amount above zero, in US dollars")
    return amount


Amount = Annotated[float, AfterValidator(_amount)]

_UNITS_BYTES = {"kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}


def size_bytes(size: str) -> int:
    """``"500 kB"``, ``"10 MB"``, ``"1.5 GB"`` in bytes. ValueError for anything else, and for zero."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?) ?(kB|MB|GB)", size)
    value = int(float(match[1]) * _UNITS_BYTES[match[2]]) if match else 0
    if value <= 0:
        raise ValueError('a size is a number above zero and a unit, for example "500 kB", "10 MB" or "1 GB"')
    return value


def _size(text: str) -> str:
    size_bytes(text)
    return text


Size = Annotated[str, AfterValidator(_size)]


class QueueSettings(Table):
    """One ``[queues.<name>]`` table: how many jobs of one kind this project runs at once."""

    effect = "limit"

    concurrency: Count | None = optional(None, "Jobs at the same time, over all servers and workers.")
    per_minute: Count | None = optional(None, "Jobs that may begin in any minute.")
    timeout: Duration | None = optional(
        None,
        'The longest that one job may take: `"5m"`. Absent: 5 minutes for `llm` and `vision`, 10 for `agent`, none for the others, which have time-outs of their own.',
    )


class BudgetSettings(Table):
    """``[budget]``: the caps on model calls. A call that could exceed a cap is not made; a person decides."""

    effect = "spends"

    cost_per_run: Amount | None = optional(
        None, "US dollars that one run may cost. The smaller of this and the template's `limits.max_cost` counts."
    )
    cost_per_day: Amount | None = optional(
        None, "US dollars in one day (UTC): of all projects when your own file says it, else of this project."
    )
    tokens_per_run: Count | None = optional(None, "Tokens of one run, input and output together.")
    tokens_per_day: Count | None = optional(None, "Tokens in one day, counted as `cost_per_day`.")


class StarterLimits(Table):
    """``[server.limits.person]`` and ``[server.limits.token]``: what each of them may use."""

    effect = "limit"

    runs_per_hour: Count | None = optional(None, "Runs that may be started in any hour.")
    open_runs: Count | None = optional(None, "Runs that may be open at once; a further one is refused.")
    cost_per_day: Amount | None = optional(None, "US dollars in one day (UTC) for calls to models in runs.")
    cost_per_month: Amount | None = optional(None, "US dollars in one month (UTC), counted likewise.")


class TeamLimits(StarterLimits):
    """``[server.limits.team]`` and ``[server.limits.project]``: what all projects, and each of them, may use."""

    running_jobs: Count | None = optional(
        None,
        "Jobs at the same time, over all servers and workers; timers, schedules and the checks of runners do not count.",
    )


class ServerLimits(Table):
    """``[server.limits]``: the limits of a team's server, from your own configuration only."""

    team: TeamLimits = optional(TeamLimits(), "All projects of the database together.", noun="")
    project: TeamLimits = optional(TeamLimits(), "Each project.", noun="")
    person: StarterLimits = optional(StarterLimits(), "Each person: with the tokens that they made.", noun="")
    token: StarterLimits = optional(StarterLimits(), "Each access token.", noun="")


class RetentionSettings(Table):
    """Which runs ``wfe-mcp prune`` may remove; without ``runs`` it removes none."""

    effect = "limit"

    runs: Duration | None = optional(
        None,
        'How long a run is kept after its end: `"90d"`. Without it, for ever. Nothing goes by itself: a person '
        "runs `wfe-mcp prune`.",
    )
    keep: int = optional(0, "So many of the runs that ended last stay, however old they are.", ge=0)
    archived_only: bool = optional(False, "Whether only runs go that were archived.")


class OutageSettings(Table):
    """``[outage]``: what happens when a provider, and its fallbacks, do not answer, or the disk of a check is full."""

    wait: Duration = optional(
        "2m",
        'How long a run is paused then before it continues automatically: `"2m"`. A provider\'s own retry time takes precedence.',
        effect="limit",
    )


class CheckpointSettings(Table):
    """``[checkpoints]``: the size limits of checkpoints, and how long they are kept."""

    effect = "limit"

    keep: Count = optional(50, "Checkpoints of one run whose files are kept; older ones go first.")
    keep_for: Duration = optional(
        "30d",
        'How long the files of a run\'s checkpoints are kept after its end: `"30d"`. What was there before a rollback is kept twice as long.',
    )
    file_limit: Size = optional("10 MB", 'A file that git does not track is not saved when it is larger: `"10 MB"`.')
    total_limit: Size = optional(
        "200 MB", 'What git does not track is saved up to this size in one checkpoint, small folders first: `"200 MB"`.'
    )
    file_count: Count = optional(20_000, "Files that git does not track and one checkpoint saves, small folders first.")

    def limits(self) -> "Limits":
        """The limits of one snapshot."""
        from wfe_mcp.workspace.git.snapshot_files import Limits  # with it come globs of what programs watch, compiled

        return Limits(size_bytes(self.file_limit), size_bytes(self.total_limit), self.file_count)
