"""The models of a run: as a whole, its phases, steps and verdicts, a row of a list, a line of the log."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from wfe_mcp.views.values.model import INLINE, INTERNAL, Json, JsonObject, PathNote, view_model

if TYPE_CHECKING:
    from wfe_mcp.core.evidence_levels import GateDifference
    from wfe_mcp.views.moves.blockers import Blocker
    from wfe_mcp.views.runs.calls import ToolCallView, ToolsView
    from wfe_mcp.views.runs.checkpoints import NewestCheckpoints
    from wfe_mcp.views.runs.operations import OperationView
    from wfe_mcp.views.runs.recoveries import BlockerView
    from wfe_mcp.views.runs.requests import WaitingDecision
    from wfe_mcp.views.runs.usage import UsageView


@view_model
class HeadView:
    """A revision without its content."""

    artifact: str
    phase: str
    revision: int
    attempt: int
    iteration: int
    schema: str
    sha256: str
    source: str
    at: str
    sealed: bool = False
    note: str = ""


@view_model
class VerdictView:
    """What a gate said. ``evidence``: the id of what it saw. ``level``: how much of that could have been arranged."""

    gate: str
    verdict: str
    message: str = ""
    evidence: str = ""
    level: str = ""


@view_model
class LastVerdict:
    """The verdict that was given last; the message of a pass is left out."""

    phase: str
    attempt: int
    verdict: VerdictView = field(metadata=INLINE)
    message: str = ""


@view_model
class StepView:
    """One step that the server works. ``error``: why it failed, or what is delivered was skipped. ``input``, ``output``: of a
    failed attempt, as the beginning of their JSON.
    """

    step: str
    does: str
    state: str
    tries: int = 0
    error: str = ""
    carried_from: int | None = None
    not_before: str = ""
    started_at: str = ""
    finished_at: str = ""
    input: str = ""
    output: str = ""
    took: str = ""

    @property
    def call_lines(self) -> list[str]:
        """The input and the answer that it shows, as lines."""
        return [f"{what}: {text}" for what, text in (("input", self.input), ("answer", self.output)) if text]


@view_model
class EvidenceView:
    """Where the evidence of a gate or a step is, which files it saw, and what its tests were counted from."""

    id: str
    gate: str
    step: str = ""
    log: str = ""
    tree: str = ""
    head: str = ""
    counted_from: str = ""


@view_model
class PhaseView:
    """A phase and its newest attempt. ``left``: its worker is gone. ``iteration`` and what follows it: in the full form.

    ``ended``: how the attempt ended, rejected or failed, where ``state`` is what became of it after that.
    """

    phase: str
    state: str
    attempt: int
    items: str = ""
    stage: str = ""
    repair: str = ""
    held: bool = False
    left: bool = False
    iteration: int = 0
    reason: str = ""
    revision: int = 0
    sha256: str = ""
    artifact: str = ""
    holder: str = ""
    invalid: int = 0
    deadline: str = ""
    ended: str = ""
    verdicts: tuple[VerdictView, ...] = ()
    forced: bool = False
    steps: tuple[StepView, ...] = ()
    step_calls: str = ""
    tools: ToolsView | None = None
    role: str = ""
    evidence: tuple[EvidenceView, ...] = ()
    tool_calls: tuple[ToolCallView, ...] | None = None


@view_model
class OriginView:
    """Where an imported run comes from. What was decided in it was decided there."""

    from_: str
    at: str
    by: str
    channel: str = ""
    project: str = ""
    worktree: str = ""
    sha256: str
    statements: tuple[str, ...] = ()
    not_carried: tuple[PathNote, ...] = ()
    more_statements: int = 0
    more_not_carried: int = 0


@view_model
class ForkView:
    """The event that a run was forked at."""

    run: str
    event: int
    hash: str


@view_model
class BundleView:
    """A bundle of context that the run has frozen: which bytes, and made of what."""

    bundle: str
    scope: str = ""
    sha256: str
    files: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


@view_model
class OutputsView:
    """The outputs of a run by name. ``left_out``: too long for this answer. ``unknown``: without a value, with the reason."""

    values: JsonObject
    left_out: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@view_model
class RunView:
    """A run. ``title`` and what follows it: in the full form, which names every phase.
    ``driver``, ``roles``: who works in place of the agent, as the start named them.
    ``gates``: how they differ from the template's; None in runs of older versions. ``gates_weakened``: those that ask for less.

    ``imported``: where it comes from; True in the brief form. ``page``: the address of the decision page. ``outputs``: of a
    completed run whose template names some. ``reached``: the state of the template's ``states`` that the run is in.
    ``recoveries``: what recoveries found to be in the way; in the brief form what is open.
    ``operations``: in the full form what its steps did outside the working folder. ``undo_left``: what an undo of the delivery would
    do, as the log has it: "reverse" them, "revert" what was merged by a run, or "" for nothing.
    ``waits_for``: in the full form who must act next, in words. ``project``: in the full form its id.
    """

    template: str
    iteration: int
    phases: tuple[PhaseView, ...]
    more_phases: int = 0
    blockers: tuple[str, ...] = ()
    more_blockers: int = 0
    tainted: bool = False
    gates_weakened: tuple[str, ...] = ()
    imported: OriginView | bool = False
    spent: str = ""
    last_verdict: LastVerdict | None = None
    auto: bool = True
    outputs: OutputsView | None = None
    reached: str = ""
    recoveries: tuple[BlockerView, ...] = ()
    operations: tuple[OperationView, ...] = ()
    undo_left: str = ""
    title: str = ""
    version: str = ""
    worktree: str = ""
    started_at: str = ""
    updated_at: str = ""
    triggered_by: str = ""
    external_id: str = ""
    project: str = ""
    driver: str = ""
    roles: JsonObject = field(default_factory=dict[str, str])
    archived: bool = False
    gates: tuple[GateDifference, ...] | None = None
    forked_from: ForkView | None = None
    usage: UsageView | None = None
    context: tuple[BundleView, ...] = ()
    checkpoints: NewestCheckpoints | None = None
    stale: bool = False
    stuck: bool = False
    warnings: tuple[str, ...] = ()
    unproved: tuple[str, ...] = ()
    page: str = ""
    waits_for: str = ""
    stops: tuple[Blocker, ...] = field(default=(), metadata=INTERNAL)
    marks: str = field(default="", metadata=INTERNAL)
    acts: str = field(default="", metadata=INTERNAL)
    """What the run does now, or who it waits for, in words."""
    brief_waits_for: str = field(default="", metadata=INTERNAL)
    """``waits_for`` of every form, for the terminal; only the full form has it in its JSON."""


@view_model
class RunRow:
    """One line of a list of runs. ``project``: an id; ``folder``: where its work is; empty where the list is of one project and the caller is there too.

    ``phase``: the one that an open run is at. ``phases_skipped``: of those that are done. ``waits_for``: ``waiting_on`` in words, with the other run or the missing worker.
    ``weakened_gates``: how many ask for less than the template; the run names them. ``missing``: the folder of an open run is gone; not
    known where other machines use the database, too.
    """

    run: str
    title: str
    project: str = ""
    folder: str = ""
    phase: str = ""
    phases_done: int | None = None
    phases_skipped: int = 0
    phases: int | None = None
    template: str
    state: str
    iteration: int
    tainted: bool
    started_at: str
    updated_at: str
    completed_at: str = ""
    triggered_by: str = ""
    external_id: str = ""
    archived: bool = False
    imported: bool = False
    stale: bool = False
    stuck: bool = False
    missing: bool = False
    waiting_on: str = ""
    waits_for: str = ""
    reached: str = ""
    weakened_gates: int = 0


@view_model
class RunList:
    """Runs. ``cursor``: where the next page of them begins; ``kept``: whether prune leaves them alone from now on;
    ``warnings``: what holds for all of them.

    ``decisions``: the oldest that wait for the user in these runs, where they are the open ones; ``more_decisions``: how
    many others.
    """

    runs: tuple[RunRow, ...]
    decisions: tuple[WaitingDecision, ...] = ()
    more_decisions: int = 0
    warnings: tuple[str, ...] = ()
    kept: bool | None = None
    cursor: str = ""
    page: str = ""


@view_model
class EventView:
    """One line of the log. ``text``: what happened, as a sentence; ``changes``: what it changed, where that is wanted."""

    seq: int
    at: str
    type: str
    actor: str
    channel: str
    assurance: str
    text: str
    payload: JsonObject
    hash: str
    changes: tuple[JsonObject, ...] | None = None
    steps: tuple[StepView, ...] = ()


@view_model
class RunOutcome:
    """What a command did, in facts of its own, and the run after it."""

    run: RunView = field(metadata=INLINE)
    more: JsonObject = field(default_factory=dict[str, Json], metadata=INLINE)


@view_model
class FilesRestored:
    """What a rollback did to the files. ``before``: the name of the snapshot from before it; ``left``: what it kept."""

    restored: int
    paths: tuple[str, ...]
    before: str
    left: tuple[str, ...] = ()


@view_model
class RollbackView:
    """What a rollback, an undo or a redo did, and the run after it. ``effects``: what is not undone."""

    to: int
    changed: tuple[str, ...]
    run: RunView = field(metadata=INLINE)
    files: FilesRestored | None = None
    effects: tuple[str, ...] = ()


@view_model
class RollbackPreview:
    """What a rollback, undo or redo would do now. ``phases``: those whose state would change. ``files``: whether the files would go back,
    ``paths``: the first that would change, ``more_paths``: how many others. ``note``: why the files stay as they are, else which repositories inside do.
    ``deleted``: the first that would be deleted; ``unrecorded``: the first with changes that no checkpoint has, for which it is refused,
    and ``ways``: what to do about them. ``shown``: the last event of the run; sent with the command, it is refused once there is another.
    """

    to: int
    shown: int
    what: str
    phases: tuple[str, ...]
    files: bool
    command: str
    paths: tuple[str, ...] = ()
    more_paths: int = 0
    note: str = ""
    deleted: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()
    ways: str = ""


@view_model
class MomentView:
    """The event that a report is as of."""

    event: int
    of: int
    type: str
    at: str


@view_model
class SubmittedView:
    """The revision that was submitted, what the gates said of it so far, and what it leaves open."""

    attempt: int
    revision: int
    sha256: str
    verdicts: tuple[VerdictView, ...] = ()
    questions: tuple[str, ...] = ()


def run_view(view: object) -> RunView | None:
    """The run that ``view`` shows, among other facts; None where it shows none."""
    if isinstance(view, RunView):
        return view
    inner = getattr(view, "run", None)
    return inner if isinstance(inner, RunView) else None
