"""The answer of each tool, and of what only a person does to steer a run.

One function for each tool calls the engine, reads the run again and puts both into the envelope. Refusals are raised;
``envelopes.refusal`` turns them into the same envelope with the legal next calls. ``status`` and ``start_run`` have modules
of their own: a server's first call loads no others.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.blockers import Settled
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, By, RunStatus
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.units import plural
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.phases import claim as phases, submit as submissions
from wfe_mcp.engine.phases.claim import Claim
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.engine.templates import catalogue, versions
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.views.answers.run_status import status as status
from wfe_mcp.views.answers.starting import start_run as start_run, started_answer
from wfe_mcp.views.artifacts import artifacts as artifact_views
from wfe_mcp.views.moves.blockers import sentences
from wfe_mcp.views.moves.calls import commands_after_failure, submit_call
from wfe_mcp.views.moves.envelope import LIMIT_BYTES, Envelope, Next
from wfe_mcp.views.reports.envelopes import after_move, envelope_of, overview_of
from wfe_mcp.views.runs import run as run_views
from wfe_mcp.views.runs.left_to_commit import left_to_commit
from wfe_mcp.views.runs.models import ForkView, OriginView, RunView, SubmittedView
from wfe_mcp.views.templates.templates import kept_view
from wfe_mcp.views.values.model import PartView, second, view_model, view_of
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from wfe_mcp.engine.transfer.importing import ImportedRun

_PROMPT_CHARS = 4_500
_LEAST_PROMPT_CHARS = 1_000
_NOTE_CHARS = 200
_INPUT_CHARS = 400
"""An answer stays below 10 kB: a long prompt continues in its file, and long inputs are quoted in the prompt."""


def save_template(engine: Engine, by: By, definition: dict[str, Any], dry_run: bool = False) -> Envelope:
    """Store a new version of a template; with ``dry_run`` only check it. A run can start from it once it is trusted."""
    # only the user's trust lets a run start from it
    version = versions.keep_version(engine, definition, "saved", dry_run=dry_run)
    what = f"{version.name} {version.version}"
    if dry_run:
        return Envelope(True, summary=f"{what} is valid; nothing was stored.", view=kept_view(version))
    named = f"{version.name}@{version.version}"
    summary = f"{what} is stored. A run can start from {named}"
    if catalogue.lacking_trust(engine, catalogue.template_definition(engine, named), named):
        summary += f" once the user trusts it: wfe-mcp trust {named}"
    look = Next("list_templates", {"name": f"{version.name}@{version.version}"}, why="the stored version")
    return Envelope(True, summary=summary, next=(look,), view=kept_view(version))


def start_phase(engine: Engine, by: By, run: str, phase: str = "") -> Envelope:
    """Claim a phase: its prompt, the schema of its artifact, its gates."""
    claim = phases.start_phase(engine, by, run, phase or None)
    attempt = claim.attempt
    submit = submit_call(claim.loaded.record.id, attempt.phase, attempt.number)
    view = _claim_view(engine, claim)
    answer = Envelope(
        True,
        claim.loaded.record.id,
        attempt.phase,
        str(attempt.status),
        str(claim.loaded.state.status),
        "agent",
        f"{attempt.phase} is assigned to you (attempt {attempt.number}): do the work, then call submit_artifact",
        (submit,),
        view=view,
    )
    excess = answer.size_bytes - LIMIT_BYTES
    return answer if excess <= 0 else answer.showing(replace(view, prompt=_prompt_view(claim, excess + _NOTE_CHARS)))


def submit_artifact(
    engine: Engine,
    by: By,
    run: str,
    phase: str,
    attempt: int | None = None,
    artifact: dict[str, Any] | None = None,
    path: str = "",
    note: str = "",
    attach: list[str] | None = None,
) -> Envelope:
    """Submit an artifact. The answer may be ``gating``; ``submitted_answer`` has the result."""
    if (artifact is None) == (not path):
        raise Refused(
            "bad_argument", "submit_artifact takes either artifact or path.", "Give exactly one of them.", phase=phase
        )
    receipt = submissions.submit(
        engine, by, run, phase, attempt=attempt, artifact=artifact, path=path or None, note=note, attach=attach or ()
    )
    return submitted_answer(engine, receipt.loaded, phase, receipt.attempt, receipt.revision)


def submitted_answer(engine: Engine, run: str | LoadedRun, phase: str, attempt: int, revision: int) -> Envelope:
    """The status of the submission ``revision`` of ``attempt``: gating, awaiting, completed, or the gate that failed."""
    overview = overview_of(engine, run)
    tries = overview.loaded.state.attempts[PhasePath(phase)]
    tried, newest = tries[attempt - 1], tries[-1]
    verdicts = run_views.attempt_view(overview, tried).verdicts
    view = SubmittedView(
        attempt=attempt,
        revision=revision,
        sha256=(tried.sha256 or "")[:16],
        verdicts=verdicts,
        questions=_left_open(engine, overview, tried.phase, revision),
    )
    failed = tried.status in {AttemptStatus.FAILED, AttemptStatus.SUPERSEDED} and tried.reason
    if failed:
        message = f"Revision {revision} of {phase} is stored, but a gate failed. {tried.reason}"
        refused = Refused("gate_failed", message[:2500], _after_failure(overview, tried, newest))
        view = replace(view, verdicts=tuple(replace(verdict, message="") for verdict in verdicts))
        return envelope_of(overview, f"{phase}: gate failed", view, phase=phase, error=refused)
    # by the time of the answer, steps that follow may have stopped the run
    stopped = () if overview.loaded.state.status is RunStatus.RUNNING else sentences(overview)[:1]
    stopped = (*stopped, *left_to_commit(overview, has_just_ended=True))
    state = overview.loaded.state
    is_jump = tried.status is AttemptStatus.SUPERSEDED
    became = f"completed, and the run went back: iteration {state.iteration}" if is_jump else newest.status
    return envelope_of(overview, ". ".join((f"{phase}: {became}", *stopped)), view, phase=phase)


def _after_failure(overview: Overview, tried: Attempt, newest: Attempt) -> str:
    """What to do after a failed gate. ``newest``: the attempt that follows, or the failed one."""
    match newest.status:
        case AttemptStatus.RUNNING if tried.verdicts and tried.verdicts[-1].kind is VerdictKind.ERROR:
            return (
                "The gate could not judge, whatever you submit: what it says next comes first. "
                f"Then resubmit. Attempt {newest.number} is already assigned to you."
            )
        case AttemptStatus.RUNNING:
            return f"Fix it and resubmit. Attempt {newest.number} is already assigned to you."
        case AttemptStatus.FAILED if newest.repair:
            return "A rule of this phase continues by itself: follow next."
        case AttemptStatus.FAILED if commands := commands_after_failure(overview, newest):
            return f"No automatic retry is left: do not submit again. The user decides: {commands}"
        case AttemptStatus.FAILED:  # inside a recovery or a loop, whose rules go on
            return "No automatic retry of it is left: follow next."
        case AttemptStatus.READY:
            return f"Call start_phase to work on attempt {newest.number}."
        case _:  # gates before work, or other phases first
            return f"Attempt {newest.number} is not ready yet: follow next."


def _left_open(engine: Engine, overview: Overview, phase: PhasePath, revision: int) -> tuple[str, ...]:
    """What the submitted artifact leaves open, for schemas that have such rules."""
    from wfe_mcp.artifacts.completeness import RULED, questions

    schema = overview.plan.schema(phase)
    if not isinstance(schema, str) or schema not in RULED:
        return ()
    with engine.store.read() as tx:
        record = tx.artifacts.revision(overview.loaded.record.id, phase, revision)
    return () if record is None else tuple(question.text for question in questions(schema, json.loads(record.content)))


def retry_phase(
    engine: Engine,
    by: By,
    run: str,
    phase: str,
    role: str = "",
    feedback: str = "",
    from_step: str = "",
    blockers: Settled | None = None,
) -> Envelope:
    """Open a new attempt."""
    retry = control.retry_plan(engine, run, phase, from_step)
    loaded = control.retry(engine, by, run, phase, feedback, role or None, from_step=from_step, blockers=blockers)
    return after_move(engine, loaded, phase, f"a new attempt is open{f'. {retry.sentence}' if retry else ''}")


def skip_phase(engine: Engine, by: By, run: str, phase: str, reason: str) -> Envelope:
    """Leave a phase out."""
    loaded = control.skip(engine, by, run, phase, reason)
    return after_move(engine, loaded, phase, "skipped")


def control_run(
    engine: Engine,
    by: By,
    run: str,
    action: control.Action,
    phase: str = "",
    reason: str = "",
    *,
    max_cost_usd: float | None = None,
    max_tokens: int | None = None,
    timeout_s: float | None = None,
) -> Envelope:
    """Pause, resume, cancel, proceed, automatic mode. A person who resumes can raise its limits."""
    loaded = control.control(
        engine,
        by,
        run,
        action,
        phase=phase or None,
        reason=reason,
        max_cost_usd=max_cost_usd,
        max_tokens=max_tokens,
        timeout_s=timeout_s,
    )
    overview = overview_of(engine, loaded)
    return envelope_of(overview, f"{action}: {run_views.summary(overview)}", run_views.brief(overview))


def read_artifact(
    engine: Engine,
    by: By,
    run: str,
    phase: str = "",
    artifact: str = "",
    revision: int | None = None,
    pointer: str = "",
    against: str = "",
    *,
    is_whole: bool = False,
) -> Envelope:
    """An artifact, a part of it, or its difference to another revision; without a name the list of artifacts."""
    overview = overview_of(engine, run)
    view = artifact_views.read(
        engine,
        overview,
        phase=phase,
        artifact=artifact,
        revision=revision,
        pointer=pointer,
        against=against,
        is_whole=is_whole,
    )
    part: PartView | None = getattr(view, "part", None)
    if part is not None and part.cut and not part.hint:
        options = {"--phase": phase, "--revision": str(revision or ""), "--pointer": pointer}
        words = [artifact or phase, *(word for option in options.items() if option[1] for word in option)]
        show = f"wfe-mcp artifact show {overview.loaded.record.id} {shell_line(words)}"
        hint = f"This is the beginning of one long text. Read it whole in a shell: {show}"
        view = replace(view, part=replace(part, hint=hint))
    return envelope_of(overview, f"read {artifact_views.what_of(view)}", view)


def _claim_view(engine: Engine, claim: Claim) -> artifact_views.ClaimView:
    attempt, plan = claim.attempt, claim.plan
    phase = plan.phase(attempt.phase)
    inputs = artifact_views.inputs_of(engine, claim.loaded, claim.attempt.phase)
    small = {name: value for name, value in inputs.items() if len(canonical_json(value)) <= _INPUT_CHARS}
    return artifact_views.ClaimView(
        attempt=attempt.number,
        iteration=attempt.iteration,
        prompt=_prompt_view(claim),
        output=artifact_views.output_view(plan, attempt.phase),
        inputs=small,
        gates=tuple(artifact_views.gate_view(gate) for gate in phase.gates),
        inputs_left_out=tuple(sorted(set(inputs) - set(small))),
        feedback=tuple(claim.feedback),
        deadline=second(attempt.deadline),
        tools_allowed=tuple(phase.tools_allowed),
    )


def _prompt_view(claim: Claim, excess: int = 0) -> str:
    """The prompt; where it is long its beginning, its end and the file with the whole: input data is in the middle.

    ``excess``: so much of an answer with it did not fit.
    """
    shown = max(_LEAST_PROMPT_CHARS, min(len(claim.prompt), _PROMPT_CHARS) - excess)
    if len(claim.prompt) <= shown:
        return claim.prompt
    place = f".wfe/runs/{claim.loaded.record.id}/{claim.attempt.phase}/{claim.attempt.number}/prompt.md"
    head, tail = claim.prompt[: shown // 2], claim.prompt[-(shown // 2) :]
    return f"{head}\n…\n{tail}\n[cut: {shown:,} of {len(claim.prompt):,} characters; the whole prompt is in {place}]"


def fork(engine: Engine, by: By, run: str, at: str = "", title: str = "", idempotency_key: str = "") -> Envelope:
    """Create a run from the state of another one at an event (12) or a checkpoint (cp-12)."""
    return forked_answer(
        engine, by, fork_run(engine, by, run, at, title=title, idempotency_key=idempotency_key or None)
    )


def forked_answer(engine: Engine, by: By, loaded: LoadedRun) -> Envelope:
    """The status of a run that was just forked, and where it comes from."""
    origin = loaded.state.origin
    assert origin is not None, "it was forked"
    answer = started_answer(engine, by, loaded)
    view = replace(answer.view_as(RunView), forked_from=view_of(ForkView, origin, event=origin.seq))
    summary = f"Forked {origin.run} at event {origin.seq}: run {loaded.record.id}"
    return replace(answer.showing(view), summary=f"{summary}. {answer.summary}")


def force_accept(engine: Engine, by: By, run: str, phase: str, reason: str) -> Envelope:
    """Accept a phase although its gates fail; the run is tainted."""
    return after_move(
        engine, control.force_accept(engine, by, run, phase, reason), phase, "force-accepted; the run is tainted"
    )


def overrule(engine: Engine, by: By, run: str, phase: str, reason: str) -> Envelope:
    """Overrule the reviewers of a phase; its later gates judge as usual."""
    return after_move(engine, control.overrule(engine, by, run, phase, reason), phase, "overruled")


@view_model
class ImportedView:
    """What came in. ``files``: how many of it were written; a dry run says which run it would be instead."""

    events: int
    revisions: int
    was_here: bool
    imported: OriginView | None = None
    dry_run: bool = False
    run: str = ""
    files: int | None = None


def imported_answer(engine: Engine, run: ImportedRun, *, dry_run: bool = False) -> Envelope:
    """What came in, or would have."""
    view = view_of(
        ImportedView,
        run,
        imported=run_views.origin_view(run.origin) if run.origin else None,
        files=None if dry_run else run.mirrors,
        dry_run=dry_run,
        run=run.run if dry_run else "",
    )
    counts = f"{plural(run.events, 'event')}, {plural(run.revisions, 'revision')}"
    if dry_run:
        more = "; it is here already" if run.was_here else ""
        return Envelope(True, summary=f"Run {run.run} is intact ({counts}){more}. Nothing was stored.", view=view)
    summary = (
        f"Run {run.run} is here already, the same"
        if run.was_here
        else f"Run {run.run} is here now, as history: {counts}"
    )
    return envelope_of(overview_of(engine, run.run), summary, view)
