"""What waits for a person, over all projects of a database: decisions, opinions, runs that stopped, trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from wfe_mcp.core.paths import typed
from wfe_mcp.views.model import second, view_model

if TYPE_CHECKING:
    from wfe_mcp.store.records.runs import RunRecord


@view_model
class UnusualLine:
    """Something unusual about a decision. ``weight``: weakened, failed, warning or skipped, worst first."""

    weight: str
    text: str
    why: str = ""


@view_model
class GateLine:
    """What a gate found, in a line."""

    gate: str
    state: str
    text: str = ""


@view_model
class WaitingDecision:
    """A request that takes an answer, in a line. ``project``: its folder; ``command``: the same at a terminal.

    ``unusual``: what the record tells; the change, what is unusual about its files, and the sha256 to decide on are in
    the decision itself.
    """

    request: str
    run: str
    phase: str
    attempt: int
    stage: str
    title: str
    project: str
    template: str
    asked_at: str
    question: str
    command: str
    expires_at: str = ""
    tainted: bool = False
    unusual: tuple[UnusualLine, ...] = ()
    evidence: tuple[GateLine, ...] = ()


@view_model
class WaitingOpinion:
    """A question to a person who reviews. ``path``: its page."""

    run: str
    phase: str
    reviewer: str
    title: str
    project: str
    path: str


@view_model
class WaitingTask:
    """A phase that a person works. ``title``: its own; ``about``: that of the run; ``command``: the same at a terminal."""

    run: str
    phase: str
    title: str
    about: str
    project: str
    template: str
    since: str
    command: str


@view_model
class StoppedRun:
    """A run that continues only after a user acts. ``blockers``: why, each with the next step."""

    run: str
    title: str
    template: str
    state: str
    project: str
    blockers: tuple[str, ...]
    updated_at: str
    command: str


@view_model
class WaitingTrust:
    """A project with something that counts only once it is trusted. ``path``: its page; ``names``: what."""

    folder: str
    path: str
    names: tuple[str, ...]


@view_model
class InboxView:
    """Everything that waits for a person, each kind oldest first."""

    decisions: tuple[WaitingDecision, ...]
    tasks: tuple[WaitingTask, ...] = ()
    opinions: tuple[WaitingOpinion, ...] = ()
    stopped: tuple[StoppedRun, ...] = ()
    trust: tuple[WaitingTrust, ...] = ()


def stopped_run(
    record: RunRecord, state: Literal["blocked", "failed"], project: str, blockers: tuple[str, ...]
) -> StoppedRun:
    """A line of the inbox."""
    return StoppedRun(
        run=record.id, title=record.title, template=record.template, state=state, project=project, blockers=blockers,
        updated_at=second(record.updated_at), command=f"wfe-mcp status {typed(record.id)}",
    )  # fmt: skip
