"""Requests for a decision, the decisions on them, and what waits for a person over all projects of a database."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from wfe_mcp.core.attempt_states import Handed
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.prompts import split_comments
from wfe_mcp.core.texts import as_given, in_short, unseen, unseen_words
from wfe_mcp.core.units import join_names
from wfe_mcp.engine.templates.pending import OWN
from wfe_mcp.views.values.model import view_model, view_of

Weight = Literal["weakened", "failed", "warning", "skipped", "note"]
"""How unusual something is, worst first. ``note``: of the project, to be known at each decision."""


Void = Literal["", "rejected", "failed", "superseded", "rolled_back"]
"""What became of the attempt of an approval that no longer counts; empty while it counts."""


@view_model
class LineNote:
    """A comment on a line of the change. ``side``: ``old`` or ``new``, before the change or after it."""

    file: str
    line: int
    side: str
    text: str


@view_model
class RequestView:
    """A request to a person to approve."""

    request: str
    phase: str
    attempt: int
    stage: str
    sha256: str
    assurance: str
    state: str
    asked_at: str
    closed_at: str = ""


@view_model
class DecisionLine:
    """What a person decided. ``run``: in a run that this one was forked from; ``void``: why it no longer counts.

    ``comments``: those on lines, which the text has too.
    """

    run: str = ""
    decision: str
    at: str
    actor: str
    channel: str
    assurance: str
    attempt: int = 0
    comment: str = ""
    phase: str = ""
    reason: str = ""
    sha256: str = ""
    void: Void = ""
    comments: tuple[LineNote, ...] = ()


def line_notes(text: str) -> tuple[LineNote, ...]:
    """The comments on lines in the text of a rejection."""
    return tuple(view_of(LineNote, comment) for comment in split_comments(text)[1])


@dataclass(frozen=True, slots=True)
class Unusual:
    """One sentence about what is not as the template or the person would expect. ``why``: where it comes from."""

    weight: Weight
    text: str
    why: str = ""


@view_model
class GateLine:
    """What a gate found, in a line."""

    gate: str
    state: str
    text: str = ""


@view_model
class HandedOn:
    """To whom a request was handed, by whom, with what note; ``text``: the same as a sentence."""

    to: str
    by: str
    note: str = ""
    text: str


def handed_on(found: Handed | None) -> HandedOn | None:
    """``found`` as shown."""
    if found is None:
        return None
    text = f"Handed to {found.to} by {found.by}{f': {found.note}' if found.note else '.'}"
    return view_of(HandedOn, found, text=text)


@view_model
class WaitingThing:
    """What of a run waits for a person. ``project``: its folder; ``command``: the same at a terminal.

    ``for_others``: why it is not for who asks, and who can decide it; empty where it is for them.
    """

    run: str
    phase: str
    title: str
    project: str
    command: str
    for_others: str = ""


@view_model
class WaitingDecision(WaitingThing):
    """A request that takes an answer, in a line. ``asked_at``: since when this decision waits, however often it was asked for.

    ``approved_by``: who has approved it, where several people do.
    ``unusual``: what the record tells; the change, what is unusual about its files, and the sha256 to decide on are in
    the decision itself.
    """

    request: str
    attempt: int
    stage: str
    template: str
    asked_at: str
    question: str
    expires_at: str = ""
    tainted: bool = False
    unusual: tuple[Unusual, ...] = ()
    evidence: tuple[GateLine, ...] = ()
    approved_by: tuple[str, ...] = ()
    handed: HandedOn | None = None


@view_model
class UnaskedDecision(WaitingThing):
    """A phase that awaits an approval which the agent has not asked for, or whose request has expired."""

    template: str
    since: str
    question: str


@view_model
class WaitingOpinion(WaitingThing):
    """A question to a person who reviews. ``path``: its page."""

    reviewer: str
    path: str


@view_model
class WaitingTask(WaitingThing):
    """A phase that a person works. ``title``: its own; ``about``: that of the run."""

    about: str
    template: str
    since: str


@view_model
class StoppedRun(WaitingThing):
    """A run, or a phase of it, that continues only after a user acts. ``kind``: what it waits for.

    ``question``: what is asked. ``blockers``: why, each with the next step. ``command``: the likeliest of ``commands``.
    ``since``: when it stopped; ``updated_at``: the last change of the run.
    """

    phase: str = ""
    kind: str
    template: str
    state: str
    question: str
    blockers: tuple[str, ...]
    since: str
    updated_at: str
    commands: tuple[str, ...] = ()


@view_model
class WaitingTrust:
    """A project with something that counts only once it is trusted, or reviewed. ``path``: its page; ``names``: as ``wfe-mcp trust``
    takes them, never empty. ``runs``: those that wait for it, by their titles.
    """

    folder: str
    path: str
    names: tuple[str, ...]
    for_others: str = ""
    runs: tuple[str, ...] = ()

    @property
    def is_configuration(self) -> bool:
        """Whether a configuration is among it: what a run that waits for trust uses stands there."""
        return not {"config", OWN}.isdisjoint(self.names)

    @property
    def what(self) -> str:
        """``names`` in words."""
        return ", ".join("your own configuration" if name == OWN else name for name in self.names)


@view_model
class StuckRun:
    """A run without progress that waits for no person. ``project``: its folder; ``updated_at``: its last change."""

    run: str
    title: str
    project: str
    updated_at: str


@view_model
class StuckRuns:
    """The runs without progress: nothing waits for a person in them, and nothing happens in them either.

    ``count``: how many there are; ``runs``: the last that changed, at most ``MOST_STUCK``. ``text``: a sentence about all of
    them, without its full stop; ``command``: lists them.
    """

    count: int
    runs: tuple[StuckRun, ...]
    text: str
    command: str

    @property
    def names(self) -> str:
        """The titles of the first, and how many more there are."""
        titles = [f'"{in_short(run.title, _TITLE_CHARS)}"' for run in self.runs[:_NAMED]]
        more = self.count - len(titles)
        return join_names([*titles, *([f"{more:,} more"] if more else [])])


MOST_STUCK = 20
_NAMED = 3
_TITLE_CHARS = 60


@view_model
class InboxView:
    """Everything that waits for a person, each kind oldest first.

    ``stuck``: what else they should know of, in a line. ``stuck_in_s``: seconds until that line changes if nothing happens; 0: never.
    """

    decisions: tuple[WaitingDecision, ...]
    unasked: tuple[UnaskedDecision, ...] = ()
    tasks: tuple[WaitingTask, ...] = ()
    opinions: tuple[WaitingOpinion, ...] = ()
    stopped: tuple[StoppedRun, ...] = ()
    trust: tuple[WaitingTrust, ...] = ()
    stuck: StuckRuns | None = None
    stuck_in_s: int = 0


_Kind = Literal["decision", "task", "opinion", "failed", "held", "paused", "stopped", "trust", "credential"]


@dataclass(frozen=True, slots=True)
class InboxLine:
    """One thing that waits, in words. ``at``: since when, empty where that is unknown; ``run``: empty for a project."""

    kind: _Kind
    at: str
    project: str
    run: str
    text: str
    command: str
    unusual: tuple[Unusual, ...] = ()


def inbox_lines(view: InboxView) -> tuple[InboxLine, ...]:
    """All that waits in one list, oldest first; what has no time comes last. Characters that no one sees are named."""
    lines = (line if line.unusual else replace(line, unusual=_unseen(line.text)) for line in _lines(view))
    return tuple(sorted(lines, key=lambda each: (not each.at, each.at)))


def _unseen(text: str) -> tuple[Unusual, ...]:
    named = unseen_words({"this line": unseen(as_given(text))})
    return (Unusual(weight="warning", text=f"{named}."),) if named else ()


def _lines(view: InboxView) -> Iterator[InboxLine]:
    tainted = Unusual("weakened", "The run is tainted.")
    for decision in view.decisions:
        unusual = (*([tainted] if decision.tainted else ()), *decision.unusual)
        yield InboxLine(
            "decision", decision.asked_at, decision.project, decision.run, decision.question, decision.command, unusual
        )
    for decision in view.unasked:
        yield InboxLine("decision", decision.since, decision.project, decision.run, decision.question, decision.command)
    for task in view.tasks:
        text = f'Your task: {task.title}, of "{task.about}"'
        yield InboxLine("task", task.since, task.project, task.run, text, task.command)
    for opinion in view.opinions:
        text = f"Your opinion on {opinion.phase}, as {opinion.reviewer}: {opinion.title}"
        yield InboxLine("opinion", "", opinion.project, opinion.run, text, opinion.command)
    for run in view.stopped:
        kind = _KINDS.get(run.kind, "stopped")
        yield InboxLine(kind, run.since, run.project, run.run, run.question, run.command)
    for trust in view.trust:
        named = join_names([f'"{title}"' for title in trust.runs])
        waits = f"; {named} wait{'s' if len(trust.runs) == 1 else ''} for it" if named else ""
        yield InboxLine("trust", "", trust.folder, "", f"Review and trust: {trust.what}{waits}", "wfe-mcp trust")


_KINDS: dict[str, _Kind] = {
    "failed": "failed",
    "repaired": "failed",
    "held": "held",
    "paused": "paused",
    "manual": "task",
    "needs_trust": "trust",
    "untrusted_step": "trust",
    "needs_credential": "credential",
}
"""What a stopped run waits for → its kind in the list."""
