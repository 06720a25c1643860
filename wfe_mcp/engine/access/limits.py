"""Limits of a team's server: runs started in an hour, open runs, running jobs and cost, by team, project, person and token.

    start of a run ──► refused ``limit_reached``      jobs ──► claimed later (``store/jobs``)      calls to models ──► ``models/caps.py``

Rules:
1. They come from the configuration of the user who runs the server, never from a project.
2. What is counted and what is then written are one transaction, alone: of two processes that start the last run, one is refused.
3. A run belongs to the token that started it, and to the person who made the token; a run that a person started by
   another channel to that person. What a schedule started counts for its project and the team only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, Channel
from wfe_mcp.core.units import plural
from wfe_mcp.engine.access.tokens import tokens_in
from wfe_mcp.engine.kernel.run_change import queue_name

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.maintenance.figures import Starter
    from wfe_mcp.workspace.config.limit_tables import ServerLimits, StarterLimits

_HOUR = timedelta(hours=1)
_PEOPLE = {Channel.CLI, Channel.DASHBOARD}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is limited. ``by``: the table; ``of``: whom, empty for the team; the others: what counts for them."""

    by: str
    of: str
    limits: StarterLimits
    project_id: str | None = None
    starters: tuple[Starter, ...] = ()

    @property
    def name(self) -> str:
        """In words: ``the team``, ``this project``, ``token 'bot'``. Who is refused knows no id of a project."""
        if self.by == "project":
            return "this project"
        return f"{self.by} {self.of!r}" if self.of else f"the {self.by}"

    @property
    def setting(self) -> str:
        """Where its limits are."""
        return f"[server.limits.{self.by}]"

    def most(self, key: str) -> float | None:
        """The limit of this name; None: there is none."""
        return getattr(self.limits, key, None)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit, and how much of it is used. ``frees_at``: None where that is not a matter of time alone."""

    by: str
    of: str
    key: str
    most: float
    used: float
    frees_at: datetime | None = None


def periods(now: datetime) -> tuple[tuple[str, datetime, str], ...]:
    """The limits on cost: the name, since when calls count, and when it frees."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return (
        ("cost_per_day", today, "tomorrow (UTC)"),
        ("cost_per_month", today.replace(day=1), "the first of next month (UTC)"),
    )


def holders(
    engine: Engine, tx: Tx, limits: ServerLimits, actor: str = "", channel: Channel = Channel.MCP
) -> list[Holder]:
    """Whose ``limits`` hold for what ``actor`` starts in the project of ``engine``."""
    from wfe_mcp.store.maintenance.figures import Starter

    whose = [Holder("team", "", limits.team), Holder("project", engine.project_id, limits.project, engine.project_id)]
    tokens = tokens_in(tx) if channel is Channel.HTTP or channel in _PEOPLE else []
    owner = actor if channel in _PEOPLE else ""
    if channel is Channel.HTTP:
        whose.append(Holder("token", actor, limits.token, starters=(Starter((actor,)),)))
        owner = next((token.owner for token in tokens if token.name == actor), "")
    if owner:
        theirs = (
            Starter((owner,), are_tokens=False),
            Starter(tuple(token.name for token in tokens if token.owner == owner)),
        )
        whose.append(Holder("person", owner, limits.person, starters=theirs))
    return whose


def refuse_start(engine: Engine, tx: Tx, limits: ServerLimits, by: By) -> None:
    """Refuse ``limit_reached`` where one more run would exceed one of ``limits``."""
    if not limits.model_fields_set:
        return
    tx.alone("starts")
    for holder in holders(engine, tx, limits, by.actor, by.channel):
        for use in _uses_of_runs(engine, tx, holder):
            if use.used >= use.most:
                raise _limit_refusal(holder, use)


def uses(engine: Engine, tx: Tx) -> Iterator[LimitUse]:
    """Every limit on the team, this project, each token and each person who made one."""
    tokens, limits = tokens_in(tx), engine.settings(tx).settings.server.limits
    whose = holders(engine, tx, limits)
    for token in tokens:
        whose += holders(engine, tx, limits, token.name, Channel.HTTP)
    for holder in {(entry.by, entry.of): entry for entry in whose}.values():
        yield from _uses_of_runs(engine, tx, holder)
        if (most := holder.most("running_jobs")) is not None:
            team, project = tx.queues.running([queue_name("command", engine.project_id)])
            yield LimitUse(holder.by, holder.of, "running_jobs", most, project if holder.project_id else team)
        for key, since, _ in periods(engine.clock()):
            if (most := holder.most(key)) is not None:
                usage = tx.figures.usage(since, project_id=holder.project_id, starters=holder.starters)
                yield LimitUse(holder.by, holder.of, key, most, usage.spent_usd)


def _uses_of_runs(engine: Engine, tx: Tx, holder: Holder) -> Iterator[LimitUse]:
    project_id, starters = holder.project_id, holder.starters
    if (most := holder.most("runs_per_hour")) is not None:
        started = tx.figures.starts_since(engine.clock() - _HOUR, project_id=project_id, starters=starters)
        frees_at = started[len(started) - int(most)] + _HOUR if len(started) >= most else None
        yield LimitUse(holder.by, holder.of, "runs_per_hour", most, len(started), frees_at)
    if (most := holder.most("open_runs")) is not None:
        yield LimitUse(
            holder.by, holder.of, "open_runs", most, tx.figures.number_open(project_id=project_id, starters=starters)
        )


def _limit_refusal(holder: Holder, use: LimitUse) -> Refused:
    what = "started within the last hour" if use.key == "runs_per_hour" else "open"
    frees = (
        f"Start it after {use.frees_at:%H:%M:%S} UTC" if use.frees_at is not None else "End or cancel an open run first"
    )
    return Refused(
        "limit_reached",
        f"The run is not started: {plural(int(use.used), 'run')} of {holder.name} {'is' if use.used == 1 else 'are'} {what}, and the limit is {use.most:g}.",
        f"{frees}, or ask who runs the server to raise {use.key} in {holder.setting}.",
        data={
            "limit": f"server.limits.{use.by}.{use.key}",
            "most": use.most,
            "used": use.used,
            "frees_at": None if use.frees_at is None else use.frees_at.isoformat(),
        },
    )
