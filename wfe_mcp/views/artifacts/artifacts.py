"""Views of artifacts: the list, the whole, a part, a difference, and the revision that each is compared with.

3                  revision 3 of the same phase
attempt:2          the last submission of attempt 2 of the phase, whatever its result
iteration:1        the last submission in that iteration
RUN2[:PHASE][@3]   the artifact of another run: of the same phase, or by the same name; its newest revision
"""

from __future__ import annotations

import json
import re
from dataclasses import field
from typing import TYPE_CHECKING, Any

from wfe_mcp.artifacts.content import in_schema_order
from wfe_mcp.artifacts.registry import json_schema
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.paths import PhasePath, declared_path
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.core.units import plural
from wfe_mcp.engine.artifacts.expression_scope import inputs_at
from wfe_mcp.engine.runs.overview import Overview, overview
from wfe_mcp.views.artifacts.context_pack import CONTEXT, ContextPack, context_pack
from wfe_mcp.views.runs.attachments import (
    ATTACHMENT,
    DRAFT,
    AttachmentLine,
    AttachmentView,
    DraftLine,
    DraftView,
    attachment_lines,
    attachment_view,
    draft_lines,
    draft_view,
)
from wfe_mcp.views.runs.calls import (
    STEPS,
    TOOLS,
    CallsView,
    ToolsLine,
    ToolsPart,
    steps_part,
    tools_listed,
    tools_part,
    with_tools,
)
from wfe_mcp.views.runs.inputs import input_list
from wfe_mcp.views.runs.models import HeadView
from wfe_mcp.views.values.diff import ChangeJson, difference
from wfe_mcp.views.values.model import INLINE, JsonObject, PartView, part_view, view_model, view_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun, RevisionHead, RevisionRecord
    from wfe_mcp.workflow.model.gates import Gate

    PhaseOf = Callable[[Overview, str, str], PhasePath]


_OF_SAME_PHASE = re.compile(r"(revision|attempt|iteration):([0-9]{1,9})")
_OF_RUN = re.compile(r"([0-9a-z]+)(?::([^@]+))?(?:@([0-9]{1,9}))?")
_FORMS = "Name a revision (2), attempt:2, iteration:1, or another run: RUN2, RUN2:PHASE, RUN2@REVISION."


@view_model
class DifferenceView:
    """How a revision differs from another one; that one's run and phase where they are others."""

    artifact: str
    phase: str
    revision: int
    against: int
    against_run: str = ""
    against_phase: str = ""
    difference: tuple[ChangeJson, ...]


def compare_revision(
    tx: Tx, record: RevisionRecord, against: str, pointer: str, run_named: Callable[[str], Overview], phase_of: PhaseOf
) -> DifferenceView:
    """``record`` and how it differs from the revision that ``against`` names; with ``pointer`` only in that part.

    ``run_named`` finds a run of this project, ``phase_of`` a phase of it that makes an artifact. Refuses ``bad_argument``,
    ``unknown_run``, ``unknown_phase``, ``unknown_artifact``.
    """
    other = _other(tx, record, against, run_named, phase_of)
    changes = difference(json.loads(other.content), json.loads(record.content))
    matching = tuple(change for change in changes if _touches(change["path"], pointer))
    if not matching:
        part_view(json.loads(record.content), pointer)  # refuses a pointer that leads nowhere
    return DifferenceView(
        artifact=record.name,
        phase=record.phase,
        revision=record.revision,
        against=other.revision,
        difference=matching,
        against_run="" if other.run_id == record.run_id else other.run_id,
        against_phase="" if other.phase == record.phase else other.phase,
    )


def revision_of(tx: Tx, run: RunId, path: PhasePath, number: int | None) -> RevisionRecord:
    """A revision of a phase, its newest for None. Refuses ``unknown_artifact``."""
    heads = _heads(tx, run, path)
    return _read(tx, heads[-1] if number is None else _newest(heads, "revision", number))


def _other(
    tx: Tx, record: RevisionRecord, against: str, run_named: Callable[[str], Overview], phase_of: PhaseOf
) -> RevisionRecord:
    if against.isdecimal() and len(against) < 10:  # an id of a run is longer
        return revision_of(tx, record.run_id, record.phase, int(against))
    same = _OF_SAME_PHASE.fullmatch(against)
    if same is not None:
        return _read(tx, _newest(_heads(tx, record.run_id, record.phase), same[1], int(same[2])))
    match = _OF_RUN.fullmatch(against)
    if match is None:
        raise Refused("bad_argument", f"There is nothing to compare with at {against!r:.80}.", _FORMS)
    run_overview = run_named(match[1])
    if match[2]:
        path = phase_of(run_overview, match[2], "")
    elif record.phase in run_overview.loaded.state.attempts and run_overview.plan.has_artifact(record.phase):
        path = record.phase
    else:
        path = phase_of(run_overview, "", record.name)
    return revision_of(tx, run_overview.loaded.record.id, path, int(match[3]) if match[3] else None)


def _heads(tx: Tx, run: RunId, path: PhasePath) -> list[RevisionHead]:
    heads = tx.artifacts.revisions(run, path)
    if not heads:
        raise Refused(
            "unknown_artifact", f"Phase {path!r} has no artifact yet.", "It is there once the phase has submitted one."
        )
    return heads


def _newest(heads: list[RevisionHead], what: str, number: int) -> RevisionHead:
    """The newest of ``heads`` whose revision, attempt or iteration (``what``) is ``number``."""
    numbers = [int(getattr(head, what)) for head in heads]
    if number in numbers:
        return heads[len(numbers) - 1 - numbers[::-1].index(number)]
    known = ", ".join(dict.fromkeys(map(str, numbers)))
    with_submission = "" if what == "revision" else " with a submission"
    raise Refused(
        "unknown_artifact",
        f"Phase {heads[0].phase!r} has no {what} {number}{with_submission}.",
        f"{what.capitalize()}s: {known}.",
    )


def _read(tx: Tx, head: RevisionHead) -> RevisionRecord:
    record = tx.artifacts.revision(head.run_id, head.phase, head.revision)
    assert record is not None, "revisions are never deleted"
    return record


def _touches(path: str, pointer: str) -> bool:
    """True for changes in the part that ``pointer`` names, and for those it is a part of."""
    return f"{path}/".startswith(f"{pointer}/") or f"{pointer}/".startswith(f"{path}/")


INPUTS, OUTPUTS = "inputs", "outputs"
"""The names under which the inputs and the outputs of a run are read."""
_LISTED = 15
"""So many revisions, and drafts, stay below the limit of an answer; older ones are named by phase and revision."""
_NAMED = 5


@view_model
class RevisionView:
    """A revision and its content, or the part of it that a pointer names."""

    head: HeadView = field(metadata=INLINE)
    part: PartView = field(metadata=INLINE)


@view_model
class ArtifactList:
    """The last revisions, refused drafts, attached files, and the attempts in which a model used tools; ``left_out``: how many more."""

    artifacts: tuple[HeadView, ...]
    drafts: tuple[DraftLine, ...] = ()
    tools: tuple[ToolsLine, ...] = ()
    attachments: tuple[AttachmentLine, ...] = ()
    left_out: int = 0


@view_model
class OutputView:
    """What a phase must submit: the artifact's name and its JSON Schema."""

    artifact: str | None
    schema: JsonObject


@view_model
class ClaimView:
    """What a claimed phase asks for: its prompt, the schema of its artifact, its gates."""

    attempt: int
    iteration: int
    prompt: str
    output: OutputView
    inputs: JsonObject
    gates: tuple[JsonObject, ...]
    inputs_left_out: tuple[str, ...] = ()
    feedback: tuple[JsonObject, ...] = ()
    deadline: str = ""
    tools_allowed: tuple[str, ...] = ()


@view_model
class ValuesPart:
    """The inputs of a run, or the outputs of a completed one, or the part of them that a pointer names."""

    artifact: str
    part: PartView = field(metadata=INLINE)


ArtifactView = (
    AttachmentView
    | ValuesPart
    | ArtifactList
    | RevisionView
    | DraftView
    | ToolsPart
    | CallsView
    | DifferenceView
    | ContextPack
)
"""What ``read_artifact`` shows."""


def output_view(plan: CompiledTemplate, path: PhasePath) -> OutputView:
    """What a phase must submit."""
    return OutputView(artifact=plan.artifact_name(path), schema=json_schema(plan.schema(path)))


def gate_view(gate: Gate) -> JsonObject:
    """A gate as the template states it, without defaults."""
    return gate.model_dump(mode="json", by_alias=True, exclude_unset=True)


def inputs_of(engine: Engine, loaded: LoadedRun, path: PhasePath) -> JsonObject:
    """The inputs of the run; for a phase of a template that runs inside, what that one was given."""
    with engine.store.read() as tx:
        return inputs_at(tx, loaded.record, loaded.state, path)


def warnings(run_overview: Overview) -> tuple[str, ...]:
    """Accepted artifacts whose files differ from what was accepted."""
    return tuple(
        f"{file.path} differs from the accepted artifact of {file.phase}; the accepted one counts"
        for file in run_overview.changed
    )


def read(
    engine: Engine,
    run_overview: Overview,
    *,
    phase: str = "",
    artifact: str = "",
    revision: int | None = None,
    pointer: str = "",
    against: str = "",
    is_whole: bool = False,
) -> ArtifactView:
    """The view of ``read_artifact``. Without a name: the last revisions, and refused drafts if there are any.

    A draft is read by its name in that list, ``draft:2``, with its phase; so are the tools that a model used, ``tools:1``,
    the calls of a phase of steps, ``steps:1``, and an attached file, ``attachment:1``. ``inputs`` are those that the run was
    started with, ``outputs`` those of a completed run whose template names some. ``is_whole``: nothing is cut.
    ``context:pack``: what the next worker of ``phase`` must know.
    """
    if artifact == CONTEXT:
        return context_pack(engine, run_overview, phase)
    if not phase and artifact in {INPUTS, OUTPUTS} and (values := _values(engine, run_overview, artifact)) is not None:
        return ValuesPart(artifact=artifact, part=part_view(values, pointer, is_whole=is_whole))
    run = run_overview.loaded.record.id
    with engine.store.read() as tx:
        if not phase and not artifact:
            heads = tx.artifacts.last_revisions(run, _LISTED)
            drafts = [
                line for path in run_overview.loaded.state.attempts for line in draft_lines(tx, run_overview, path)
            ]
            attached = attachment_lines(tx, run)
            left = max(0, run_overview.loaded.record.artifact_count - len(heads))
            left += sum(max(0, len(lines) - _LISTED) for lines in (drafts, attached))
            tools = tools_listed(with_tools(tx, run_overview))[-_LISTED:]
            return ArtifactList(
                artifacts=tuple(head_view(head) for head in heads),
                drafts=tuple(drafts[-_LISTED:]),
                tools=tuple(tools),
                attachments=tuple(attached[-_LISTED:]),
                left_out=left,
            )
        if artifact.startswith(ATTACHMENT):
            return attachment_view(tx, run, artifact)
        if artifact.startswith(DRAFT):
            return draft_view(tx, run_overview, phase, artifact, pointer)
        if artifact.startswith(STEPS):
            return steps_part(run_overview, phase, artifact, pointer)
        if artifact.startswith(TOOLS):
            return tools_part(tx, with_tools(tx, run_overview), phase, artifact, pointer)
        path = phase_of(run_overview, phase, artifact)
        record = revision_of(tx, run, path, revision)
        if against:
            return compare_revision(
                tx, record, against, pointer, lambda named: overview(engine, tx, engine.load(tx, named)), phase_of
            )
        return RevisionView(
            head=head_view(record), part=part_view(content_of(run_overview, record), pointer, is_whole=is_whole)
        )


def _values(engine: Engine, run_overview: Overview, artifact: str) -> JsonObject | None:
    """The inputs or the outputs of a run by name; None where its template names no outputs, or it is not done."""
    if artifact == INPUTS:
        return {input_.name: input_.value for input_ in input_list(engine, run_overview).inputs}
    return None if run_overview.outputs is None else run_overview.outputs.values


def what_of(view: ArtifactView) -> str:
    """The name of what was read, or how many artifacts were listed."""
    match view:
        case ArtifactList():
            return plural(len(view.artifacts), "artifact")
        case RevisionView():
            return view.head.artifact
        case DifferenceView() | CallsView() | ValuesPart() | ContextPack():
            return view.artifact
        case _:
            return view.line.artifact


def content_of(run_overview: Overview, record: RevisionRecord) -> Any:
    """The content of a revision as people read it: in the order of its schema. What is stored, and signed, is sorted."""
    schema, value = run_overview.plan.schema(record.phase), json.loads(record.content)
    try:
        return in_schema_order(value, json_schema(schema) if isinstance(schema, str) else schema)
    except Refused:  # the package that has the schema was removed
        return value


def phase_of(run_overview: Overview, phase: str, artifact: str) -> PhasePath:
    """The phase that is meant, which a name of an artifact may also be; inside a loop only its own path tells which item."""
    state, plan = run_overview.loaded.state, run_overview.plan
    # A template that runs inside may use a name again: without a path the outer one is meant.
    outer_last = sorted(state.spec.phases, key=lambda spec: -spec.path.count("."))
    makers = {str(name): spec.path for spec in outer_last if (name := plan.artifact_name(spec.path))}
    if not phase and artifact not in makers and artifact in state.attempts and plan.has_artifact(PhasePath(artifact)):
        return PhasePath(artifact)
    if phase in state.attempts:
        path = PhasePath(phase)
        if plan.has_artifact(path) and artifact in {"", plan.artifact_name(path) or path}:
            return path
    elif not phase and artifact in makers:
        path = makers[artifact]
        if path in state.attempts:
            return path
        items = [item_path for item_path in state.attempts if declared_path(item_path) == path][:_NAMED]
        raise Refused(
            "bad_argument",
            f"Artifact {artifact!r} is made inside another phase, maybe more than once.",
            f"Name the phase: {', '.join(items)}." if items else "No item of the loop is open yet.",
        )
    if phase and phase not in state.attempts:
        raise unknown_phase(state, phase)
    wanted = artifact or phase
    open_paths = [attempt.phase for attempt in state.open_attempts if plan.has_artifact(attempt.phase)]
    hint = nearest_hint(wanted, [*makers, *open_paths], f"Artifacts: {', '.join(makers)}.")
    if phase and artifact in makers:
        hint = f"Phase {makers[artifact]!r} makes it."
    where = f"Phase {phase!r}" if phase and artifact else "The run"
    raise Refused("unknown_artifact", f"{where} has no artifact {wanted!r}.", hint)


def head_view(head: RevisionHead) -> HeadView:
    """A revision without its content."""
    return view_of(HeadView, head, artifact=head.name, schema=head.schema_name, sealed=head.sealed_at is not None)
