"""``wfe-mcp show``: every attempt of a run, its evidence and its decisions; now, or at an earlier event."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.commands.artifact import drafts_table
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Full, Raw, Run, Stat
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import exact, shorten
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.core.texts import in_short
from wfe_mcp.core.units import plural
from wfe_mcp.views.runs.models import PhaseView, RunView, StepView
from wfe_mcp.views.runs.operations import operation_line
from wfe_mcp.views.values.model import JsonObject, as_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wfe_mcp.core.evidence_levels import GateDifference
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.views.moves.envelope import Envelope
    from wfe_mcp.views.reports.report import DetailsView, ReportView
    from wfe_mcp.views.runs.attachments import AttachmentLine, DraftLine
    from wfe_mcp.views.runs.calls import ToolCallView
    from wfe_mcp.views.runs.inputs import Input

_CALL_CHARS, _WHOLE = 400, 1_000_000

OfPhase = Annotated[str, typer.Option("--phase", metavar="PHASE", help="Only the attempts at this phase.")]
Tools = Annotated[
    bool,
    typer.Option(
        "--tools",
        help="Every call of a step, of a model's tool, or of the client as its hooks record it, with input and output.",
    ),
]

At = Annotated[
    str, typer.Option("--at", metavar="N", help="As it was after event N of its log, or at a checkpoint (cp-12).")
]

Files = Annotated[bool, typer.Option("--files", help="Instead: list the files of the last checkpoint by then.")]
File = Annotated[str, typer.Option("--file", metavar="PATH", help="Instead: print one of these files.")]
To = Annotated[str, typer.Option("--to", metavar="DIR", help="With --files: write them into a new folder.")]

Decision = Annotated[
    bool, typer.Option("--decision", help="Instead: what waits for your approval, as approve shows it.")
]
Since = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="start|approval|commit|attempt",
        help="With --decision: the lines of the change since the run began, since the last approval, since you sent it back or were first asked, or of what else a commit has.",
    ),
]


def show(
    invocation: Invocation,
    run: Run,
    phase: OfPhase = "",
    tools: Tools = False,
    at: At = "",
    files: Files = False,
    file: File = "",
    to: To = "",
    decision: Decision = False,
    stat: Stat = False,
    full: Full = False,
    raw: Raw = False,
    since: Since = "start",
) -> None:
    """Show every attempt of a run, its evidence and its decisions."""
    if decision:
        from wfe_mcp.cli.terminal.decision import Detail, show_open

        show_open(invocation, run, phase, Detail(stat, full, raw, since))
        return

    if files or file or to:
        from wfe_mcp.cli.terminal.show_files import show_files

        show_files(invocation, run, at, file, to)
        return

    from wfe_mcp.engine.history.as_of import moment
    from wfe_mcp.engine.models.call_log import record_client_calls
    from wfe_mcp.views.answers import tool_answers as answers
    from wfe_mcp.views.reports.report import ReportView, details_of, past
    from wfe_mcp.views.runs.inputs import inputs_shown

    engine, run = invocation.engine, invocation.resolve_run(run, phase or None)
    record_client_calls(engine)
    if at:
        with engine.store.read() as tx:
            then = moment(engine, tx, run, at)
        answer, overview = past(engine, then), then.overview
        report = answer.view_as(ReportView)
    else:
        overview = invocation.overview(run)
        answer = answers.status(engine, invocation.by, run, "full")
        report = ReportView(run=answer.view_as(RunView), details=details_of(engine, overview))
    attempts = [attempt for attempt in report.details.attempts if phase in {"", attempt.phase}]
    if not attempts:
        raise unknown_phase(overview.loaded.state, phase)
    if tools:
        attempts = [
            replace(attempt, tool_calls=_tool_calls(invocation, run, attempt), steps=_step_calls(overview, attempt))
            for attempt in attempts
        ]
    elif full:
        attempts = [replace(attempt, steps=_step_calls(overview, attempt, _CALL_CHARS)) for attempt in attempts]
    report = replace(
        report,
        details=replace(report.details, attempts=tuple(attempts)),
        drafts=_drafts(invocation, overview, phase),
        attachments=_attachment_lines(invocation, overview, phase),
    )
    answer = answer.showing(report)
    inputs = inputs_shown(overview.plan.template.inputs, report.details.inputs)
    invocation.render(answer, lambda screen: _render(invocation, screen, answer, report, inputs, full))


def _drafts(invocation: Invocation, overview: "Overview", phase: str) -> "tuple[DraftLine, ...]":
    """The refused submissions of the run, or of ``phase``."""
    from wfe_mcp.views.runs.attachments import draft_lines

    with invocation.engine.store.read() as tx:
        paths = [path for path in overview.loaded.state.attempts if phase in {"", path}]
        return tuple(line for path in paths for line in draft_lines(tx, overview, path))


def _attachment_lines(invocation: Invocation, overview: "Overview", phase: str) -> "tuple[AttachmentLine, ...]":
    """The files that were attached by then, to the run or to ``phase``."""
    from wfe_mcp.views.runs.attachments import attachment_lines

    with invocation.engine.store.read() as tx:
        lines = attachment_lines(tx, overview.loaded.record.id, phase)
    tries = overview.loaded.state.attempts
    return tuple(line for line in lines if len(tries.get(PhasePath(line.phase), ())) >= line.attempt)


def _tool_calls(invocation: Invocation, run: str, attempt: "PhaseView") -> "tuple[ToolCallView, ...]":
    """Every tool call of a model in the attempt, with input and output."""
    from wfe_mcp.views.runs.calls import tool_call_view

    with invocation.engine.store.read() as tx:
        calls = tx.tool_calls.filter(RunId(run), PhasePath(attempt.phase), attempt.attempt)
    return tuple(tool_call_view(call) for call in calls)


def _step_calls(overview: "Overview", attempt: "PhaseView", chars: int = _WHOLE) -> "tuple[StepView, ...]":
    """The steps of the attempt, each with the input and the answer of its call."""
    from wfe_mcp.views.runs.calls import STEPS
    from wfe_mcp.views.runs.run import step_view

    rows = [
        row for row in overview.steps if (row.phase, f"{STEPS}{row.attempt}") == (attempt.phase, attempt.step_calls)
    ]
    return tuple(step_view(row, chars) for row in rows)


def _attempt_rows(attempt: "PhaseView") -> list[tuple[str, str, str]]:
    """The attempt in a row, then its steps and gates; of a failed one the reason alone."""
    from wfe_mcp.cli.terminal.render import state_word, verdict_row

    again = f" iteration {attempt.iteration}" if attempt.iteration > 1 else ""
    name = f"{attempt.phase} {attempt.attempt}{again}"
    rows = [row for step in attempt.steps for row in _step_rows(step)]
    verdicts = [verdict_row(verdict) for verdict in attempt.verdicts]
    failed = [text for _, verdict, text in verdicts if verdict in {"fail", "error"}]
    logs = [(f"  log {evidence.gate}", "", evidence.log) for evidence in attempt.evidence if evidence.log]
    if attempt.state in {"failed", "superseded"} and failed:
        return [(name, "failed", failed[0]), *rows, *logs]
    # Without a revision the hash is that of the prompt that its gates judge.
    named = attempt.artifact if attempt.revision else "prompt"
    artifact = f"{named} {attempt.sha256}" if attempt.artifact and attempt.sha256 else ""
    reason = in_short(attempt.reason) if attempt.state != "completed" else ""
    state = attempt.ended or state_word(attempt.state, attempt.verdicts)
    text = "; ".join(filter(None, (artifact, reason)))
    return [(name, state, text), *rows, *((f"  {gate}", verdict, why) for gate, verdict, why in verdicts)]


def _step_rows(step: "StepView") -> list[tuple[str, str, str]]:
    """A step in a row; the input and the answer of its call below it."""
    return [(f"  step {step.step}", step.state, _step_text(step)), *(("", "", line) for line in step.call_lines)]


def _step_text(step: "StepView") -> str:
    attempts = f", {step.tries} attempts" if step.tries else ""
    took = f", {step.took}" if step.took else ""
    return f"{step.does}{attempts}{took}" + (f": {in_short(for_person(step.error))}" if step.error else "")


def _render_tools(screen: Screen, attempt: "PhaseView") -> None:
    """What a model did: in a line, or call by call with --tools."""
    if attempt.tools is None:
        return
    from wfe_mcp.views.runs.calls import tools_words

    screen.line(f"{attempt.phase} {attempt.attempt}: {tools_words(attempt.tools)}")
    for number, call in enumerate(attempt.tool_calls or (), 1):
        ended = "did not end" if call.ok is None else "ok" if call.ok else "failed"
        ended += "" if call.ms is None else f" after {call.ms} ms"
        screen.line(f"  {number}. {call.tool} {ended}", "" if call.ok else "failed")
        for name, value in (call.input or {}).items():
            screen.lines(f"{name}: {as_text(value)}", "     ")
        screen.lines((call.output or "").rstrip(), "     ")


def _render(
    invocation: Invocation,
    screen: Screen,
    answer: "Envelope",
    report: "ReportView",
    inputs: "Sequence[Input]",
    is_full: bool,
) -> None:
    from wfe_mcp.cli.terminal.render import headline, origin_lines, outputs_lines, show_turn, unusual
    from wfe_mcp.views.runs.usage import usage_lines

    details, record, now = report.details, invocation.record(answer.run), invocation.engine.clock()
    assert record is not None, "it is about a run"
    then = report.as_of
    state = headline(answer, record, now) if then is None else f"{answer.run_state} at {exact(then.at)}"
    screen.line(f'{record.id} "{record.title}": {state} ({report.run.template} {report.run.version})', "bold")
    if then is not None:
        screen.line(answer.summary)
    fork = report.run.forked_from
    forked = [] if fork is None else [f"forked from {fork.run} at event {fork.event}"]
    for line in (*forked, *origin_lines(details.imported)):
        screen.line(line)
    _render_inputs(screen, record.id, inputs, is_full)
    workers = {"driver": report.run.driver, **{f"role {role}": name for role, name in report.run.roles.items()}}
    for what, name in workers.items():
        if name:
            screen.line(f"  {what}: {name}")
    for bundle in details.context:
        scope = f", scope {bundle.scope}" if bundle.scope else ""
        files = shorten(", ".join(bundle.files), 200)
        screen.line(f"  context {bundle.bundle}{scope}, sha256 {bundle.sha256[:12]}: {files}")
    for line in usage_lines(details.usage):
        screen.line(f"  {line}")
    screen.table((), [row for attempt in details.attempts for row in _attempt_rows(attempt)], state_at=1)
    drafts_table(screen, report.drafts, now)
    operations = (f"  {operation_line(operation)}" for operation in report.run.operations)
    for line in (*_attachment_rows(report), *_blocker_rows(report), *operations):
        screen.line(line)
    for attempt in details.attempts:
        _render_tools(screen, attempt)
    _render_gates(screen, report.run.gates)
    _render_people(screen, details, now)
    _render_manifest(screen, details.manifest)
    if details.checkpoints is not None:
        from wfe_mcp.views.runs.checkpoints import checkpoints_words

        screen.line(checkpoints_words(details.checkpoints, str(answer.run)))
    outputs_lines(screen, report.run.outputs, str(answer.run))
    unusual(screen, answer)
    show_turn(screen, answer, record)


def _render_inputs(screen: Screen, run: str, inputs: "Sequence[Input]", is_full: bool) -> None:
    """What the run was started with: a line each, or with --full all of it."""
    from wfe_mcp.views.approvals.words import input_short, input_texts

    for input_ in inputs:
        name, text = input_texts(input_, is_full=is_full)
        screen.lines(f"{name}: {text if is_full else shorten(text, 200)}", "  ")
    if not is_full and any(shorten(input_short(input_), 200) != as_text(input_.value) for input_ in inputs):
        screen.line(f"Inputs in full: wfe-mcp artifact show {run} inputs", "dim", is_pasted=True)


def _attachment_rows(report: "ReportView") -> list[str]:
    return [
        f"  {attachment.artifact} {attachment.name} ({attachment.media_type}) of {attachment.phase} {attachment.attempt}, by {attachment.by}"
        + (f": {shorten(attachment.note, 200)}" if attachment.note else "")
        for attachment in report.attachments
    ]


def _blocker_rows(report: "ReportView") -> list[str]:
    from wfe_mcp.views.runs.recoveries import blocker_line

    return [f"  {blocker_line(recovery)}" for recovery in report.run.recoveries]


def _render_gates(screen: Screen, gates: "tuple[GateDifference, ...] | None") -> None:
    """How the gates differ from the template's; nothing for a run of an older version, which did not record it."""
    if gates == ():
        screen.line("Gates as in the template.")
    for gate in gates or ():
        place = f" ({gate.key} in {gate.source})" if gate.key else ""
        mark, colour = ("weakened", "red") if gate.weakens else ("changed", "")
        screen.line(f"{mark} gate: {gate.phase or 'every phase'}: {gate.what}{place}", colour)


def _render_people(screen: Screen, details: "DetailsView", now: "datetime") -> None:
    """Open requests, and every decision with its whole comment: no later attempt shows it again."""
    from wfe_mcp.views.reports.report import void_words

    for request in details.requests:
        if request.state == "open":
            screen.line(
                f"{screen.time(request.asked_at, now)}: {request.phase} {request.sha256} was put to you; no decision yet",
                "awaiting",
            )
    for decision in details.decisions:
        first, _, more = (decision.comment or decision.reason).strip().partition("\n")
        screen.line(
            f"{screen.time(decision.at, now)}: {decision.phase or 'run'} {decision.decision} by {decision.actor} ({decision.channel}, assurance {decision.assurance})"
            + (f" in run {decision.run}" if decision.run else "")
            + void_words(decision)
            + (f": {first}" if first else "")
        )
        if more:
            screen.lines(more.strip("\n"), "     ")


def _render_manifest(screen: Screen, value: "JsonObject") -> None:
    score = value.get("score")
    agreed = (
        f"; {score['same_outputs']} of {plural(score['runs'], 'run')} with these inputs had these outputs"
        if score
        else ""
    )
    screen.line(f"inputs {value['inputs_hash'][:12]}, outputs {value['outputs_hash'][:12]}{agreed}")
