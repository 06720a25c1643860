"""Views of artifacts: the list, the whole, a part, a difference."""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.paths import PhasePath, declared
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.engine.artifacts.expression_scope import inputs_at
from wfe_mcp.engine.runs.overview import overview
from wfe_mcp.views.artifact_diff import DifferenceView, compared, revision_of
from wfe_mcp.views.attachments import ATTACHMENT, AttachmentLine, AttachmentView, attachment_lines, attachment_view
from wfe_mcp.views.context_pack import CONTEXT, ContextPack, context_pack
from wfe_mcp.views.drafts import DRAFT, DraftLine, DraftView, draft_lines, draft_view
from wfe_mcp.views.model import INLINE, JsonObject, view_model, view_of
from wfe_mcp.views.pointer_view import PartView, part_view
from wfe_mcp.views.run_models import HeadView
from wfe_mcp.views.step_calls import STEPS, CallsView, steps_part
from wfe_mcp.views.tool_calls import TOOLS, ToolsLine, ToolsPart, tools_listed, tools_part, with_tools

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store.records.runs import LoadedRun, RevisionHead, RevisionRecord
    from wfe_mcp.workflow.model import Gate

OUTPUTS = "outputs"
"""The name under which the outputs of a run are read."""
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
class OutputsPart:
    """The outputs of a completed run, or the part of them that a pointer names."""

    artifact: str
    part: PartView = field(metadata=INLINE)


ArtifactView = (
    AttachmentView
    | OutputsPart
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
    from wfe_mcp.artifacts.registry import json_schema

    return OutputView(artifact=plan.artifact_name(path), schema=json_schema(plan.schema(path)))


def gate_view(gate: Gate) -> JsonObject:
    """A gate as the template states it, without defaults."""
    return gate.model_dump(mode="json", by_alias=True, exclude_unset=True)


def inputs_of(engine: Engine, loaded: LoadedRun, path: PhasePath) -> JsonObject:
    """The inputs of the run; for a phase of a template that runs inside, what that one was given."""
    with engine.store.read() as tx:
        return inputs_at(tx, loaded.record, loaded.state, path)


def warnings(found: Overview) -> tuple[str, ...]:
    """Accepted artifacts whose files differ from what was accepted."""
    return tuple(
        f"{one.path} differs from the accepted artifact of {one.phase}; the accepted one counts"
        for one in found.changed
    )


def read(
    engine: Engine,
    found: Overview,
    *,
    phase: str = "",
    artifact: str = "",
    revision: int | None = None,
    pointer: str = "",
    against: str = "",
) -> ArtifactView:
    """The view of ``read_artifact``. Without a name: the last revisions, and refused drafts if there are any.

    A draft is read by its name in that list, ``draft:2``, with its phase; so are the tools that a model used, ``tools:1``,
    the calls of a phase of steps, ``steps:1``, and an attached file, ``attachment:1``. ``outputs`` are those of a completed run whose template names some.
    ``context:pack`` is what who works ``phase`` next must know.
    """
    if artifact == CONTEXT:
        return context_pack(engine, found, phase)
    run = found.loaded.record.id
    with engine.store.read() as tx:
        if not phase and not artifact:
            heads = tx.artifacts.last_revisions(run, _LISTED)
            drafts = [line for path in found.loaded.state.attempts for line in draft_lines(tx, found, path)]
            attached = attachment_lines(tx, run)
            left = max(0, found.loaded.record.artifact_count - len(heads))
            left += sum(max(0, len(each) - _LISTED) for each in (drafts, attached))
            tools = tools_listed(with_tools(tx, found))[-_LISTED:]
            return ArtifactList(
                artifacts=tuple(head_view(head) for head in heads),
                drafts=tuple(drafts[-_LISTED:]),
                tools=tuple(tools),
                attachments=tuple(attached[-_LISTED:]),
                left_out=left,
            )
        if artifact == OUTPUTS and not phase and found.outputs is not None:
            return OutputsPart(artifact=OUTPUTS, part=part_view(found.outputs.values, pointer))
        if artifact.startswith(ATTACHMENT):
            return attachment_view(tx, run, artifact)
        if artifact.startswith(DRAFT):
            return draft_view(tx, found, phase, artifact, pointer)
        if artifact.startswith(STEPS):
            return steps_part(found, phase, artifact, pointer)
        if artifact.startswith(TOOLS):
            return tools_part(tx, with_tools(tx, found), phase, artifact, pointer)
        path = phase_of(found, phase, artifact)
        record = revision_of(tx, run, path, revision)
        if against:
            return compared(
                tx, record, against, pointer, lambda named: overview(engine, tx, engine.load(tx, named)), phase_of
            )
        return revision_view(record, pointer)


def what_of(view: ArtifactView) -> str:
    """The name of what was read, or how many artifacts were listed."""
    match view:
        case ArtifactList():
            return f"{len(view.artifacts)} artifact(s)"
        case RevisionView():
            return view.head.artifact
        case DifferenceView() | CallsView() | OutputsPart() | ContextPack():
            return view.artifact
        case _:
            return view.line.artifact


def revision_view(record: RevisionRecord, pointer: str = "") -> RevisionView:
    """A revision with its content, or the part that ``pointer`` names; a long text is cut, saying so."""
    return RevisionView(head=head_view(record), part=part_view(json.loads(record.content), pointer))


def phase_of(found: Overview, phase: str, artifact: str) -> PhasePath:
    """The phase that is meant; inside a loop only its own path tells which item."""
    state, plan = found.loaded.state, found.plan
    # A template that runs inside may use a name again: without a path the outer one is meant.
    outer_last = sorted(state.spec.phases, key=lambda spec: -spec.path.count("."))
    makers = {str(name): spec.path for spec in outer_last if (name := plan.artifact_name(spec.path))}
    if phase in state.attempts:
        path = PhasePath(phase)
        if plan.has_artifact(path) and artifact in {"", plan.artifact_name(path) or path}:
            return path
    elif not phase and artifact in makers:
        path = makers[artifact]
        if path in state.attempts:
            return path
        items = [one for one in state.attempts if declared(one) == path][:_NAMED]
        raise Refused(
            "bad_argument",
            f"Artifact {artifact!r} is made inside another phase, maybe more than once.",
            f"Name the phase: {', '.join(items)}." if items else "No item of the loop is open yet.",
        )
    if phase and phase not in state.attempts:
        raise unknown_phase(state, phase)
    wanted = artifact or phase
    open_paths = [attempt.phase for attempt in state.open_attempts]
    hint = nearest_hint(wanted, [*makers, *open_paths], f"Artifacts: {', '.join(makers)}.")
    raise Refused("unknown_artifact", f"The run has no artifact {wanted!r}.", hint)


def head_view(head: RevisionHead) -> HeadView:
    """A revision without its content."""
    return view_of(HeadView, head, artifact=head.name, schema=head.schema_name, sealed=head.sealed_at is not None)
