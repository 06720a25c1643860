"""What pages show of artifacts: one revision in every form beside its schema, and what a person may submit for a phase.

A form has the schema to fill in, what is there already, and what is wrong with it:

a phase of kind ``human`` that is ready        submit      its artifact, for the first time or again
an artifact that is judged, awaited or failed  edit        a new revision of the same attempt
everything else                                ""          and why
"""

import json
from contextlib import suppress
from dataclasses import field
from typing import Annotated, Literal

from wfe_mcp.artifacts import content
from wfe_mcp.artifacts.registry import json_schema
from wfe_mcp.artifacts.validate import TextFile, to_file
from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.model import Attempt, AttemptStatus
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.engine.artifacts.prompts import prompt_of
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import run_as_read
from wfe_mcp.engine.phases.edit import drafts_of
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.views.artifacts.artifacts import content_of, gate_view, head_view, phase_of, revision_of
from wfe_mcp.views.moves.calls import user_moves
from wfe_mcp.views.moves.outlook import Way, leads_to
from wfe_mcp.views.pages.decision import parts_json
from wfe_mcp.views.runs.attachments import DraftLine, draft_lines
from wfe_mcp.views.runs.models import HeadView
from wfe_mcp.views.runs.recoveries import blocker_line, blocker_views
from wfe_mcp.views.values.model import INLINE, Json, JsonObject, view_model


@view_model
class ArtifactPage:
    """A revision with its whole content.

    ``parts``: as its type wants to be read; ``markdown``: the same as Markdown text; ``text``: as the file that people edit,
    empty for a bundle of files. ``revisions``: every one of the phase, oldest first; ``drafts``: refused submissions.
    """

    head: HeadView = field(metadata=INLINE)
    revisions: tuple[HeadView, ...]
    content: Json
    parts: tuple[JsonObject, ...]
    markdown: str
    text: str
    json_schema: JsonObject
    drafts: tuple[DraftLine, ...] = ()


def artifact_page(engine: Engine, overview: Overview, phase: str, revision: int | None) -> ArtifactPage:
    """The page of a revision, the newest for None. Refuses ``unknown_phase`` and ``unknown_artifact``."""
    path = phase_of(overview, phase, "")
    with engine.store.read() as tx:
        record = revision_of(tx, overview.loaded.record.id, path, revision)
        heads = tuple(map(head_view, tx.artifacts.revisions(record.run_id, path)))
        drafts = tuple(draft_lines(tx, overview, path))
    schema, value = overview.plan.schema(path), content_of(overview, record)
    file = to_file(schema, json.loads(record.content))
    named = schema if isinstance(schema, str) else ""
    return ArtifactPage(
        head=head_view(record),
        revisions=heads,
        content=value,
        parts=parts_json(named, value),
        drafts=drafts,
        markdown=content.as_markdown(content.parts_of(named, value)),
        text=file.text if isinstance(file, TextFile) else "",
        json_schema=json_schema(schema),
    )


How = Literal["submit", "edit", ""]


@view_model
class FormView:
    """What a person may submit for a phase.

    ``how``: by a submission, by an edit of what is there, or not at all now. ``value``: what to start from, where it is
    JSON; ``text``: the same as it was kept. ``of``: what it is (``revision 2``, ``draft 1``). ``faults``: of that draft.
    ``leads_to``: what each decision on the phase that is legal now would lead to, by its command.
    ``blockers``: what its recoveries found in the way that is neither resolved nor ignored, a sentence each.
    ``artifact`` is empty, and ``schema`` too, where the phase makes none.
    """

    phase: str
    title: str
    kind: str
    state: str
    attempt: int
    how: How
    artifact: str
    schema: JsonObject
    command: str
    why: str = ""
    prompt: str = ""
    of: str = ""
    value: Json = None
    text: str = ""
    faults: tuple[Annotated[JsonObject, Detail], ...] = ()
    gates: tuple[JsonObject, ...] = ()
    can_force: bool = False
    can_overrule: bool = False
    leads_to: JsonObject = field(default_factory=dict[str, str])
    blockers: tuple[str, ...] = ()


def submission_form(engine: Engine, overview: Overview, phase: str) -> FormView:
    """The form of ``phase``. Refuses ``unknown_phase``."""
    state, path = overview.loaded.state, PhasePath(phase)
    if path not in state.attempts:
        raise unknown_phase(state, phase)
    attempt, spec, meant = state.current(path), state.phase(path), overview.plan.phase(path)
    has_artifact = overview.plan.has_artifact(path)
    moves = {type(move) for move in user_moves(overview, attempt)}
    how = _how(attempt, spec.kind, moves) if has_artifact else ""
    with engine.store.read() as tx:
        of, text, faults = _start(tx, overview, attempt) if has_artifact else ("", "", ())
        prompt = ""
        with suppress(Refused):  # it names what does not exist yet
            prompt = prompt_of(run_as_read(engine, tx, overview.loaded.record.id), attempt)
    value: Json = None
    with suppress(ValueError):  # a draft is cut where it was kept
        value = json.loads(text) if text else None
    verb = "submit" if how == "submit" else "edit"
    file = " --path FILE" if how == "submit" else ""
    return FormView(
        phase=path,
        title=meant.title or "",
        kind=spec.kind,
        state=str(attempt.status),
        attempt=attempt.number,
        how=how,
        artifact=str(overview.plan.artifact_name(path) or ""),
        schema=json_schema(overview.plan.schema(path)) if has_artifact else {},
        command=f"wfe-mcp {verb} {overview.loaded.record.id} {shell_path(path)}{file}",
        why="" if how else _why(attempt, has_artifact=has_artifact),
        prompt=prompt,
        of=of,
        value=value,
        text=text,
        faults=faults,
        gates=tuple(gate_view(gate) for gate in meant.gates),
        can_force=c.ForceAccept in moves,
        can_overrule=c.Overrule in moves,
        leads_to={way: leads_to(engine, overview, way, phase) for kind, way in _WAYS.items() if kind in moves},
        blockers=tuple(
            blocker_line(view)
            for view in blocker_views(state, only_open=True)
            if view.phase == path and c.Retry in moves
        ),
    )


_WAYS: dict[type[c.PhaseCommand], Way] = {
    c.Retry: "retry",
    c.Skip: "skip",
    c.ForceAccept: "force-accept",
    c.Overrule: "overrule",
}


def _how(attempt: Attempt, kind: str, moves: set[type[c.PhaseCommand]]) -> How:
    if kind == "human" and (attempt.status is AttemptStatus.RUNNING or c.StartPhase in moves):
        return "submit"  # running: a person began it here, and the last artifact was not valid
    return "edit" if c.Edit in moves and kind != "steps" else ""


def _why(attempt: Attempt, *, has_artifact: bool) -> str:
    if not has_artifact:
        return "This phase submits no artifact of its own."
    if attempt.status is AttemptStatus.RUNNING:
        return "An agent works on it now. Its artifact can be edited once it is submitted."
    return f"The phase is {attempt.status}: nothing of it can be submitted now."


def _start(tx: Tx, overview: Overview, attempt: Attempt) -> tuple[str, str, tuple[JsonObject, ...]]:
    """What a person starts from: the revision of this attempt, else its last draft, else the newest revision of the phase."""
    run, path = overview.loaded.record.id, attempt.phase
    if attempt.revision:
        return _revision(tx, overview, attempt, attempt.revision)
    drafts = drafts_of(tx, overview.loaded, path)
    if drafts and drafts[-1].attempt == attempt.number:
        last = drafts[-1]
        return f"draft {len(drafts)}", _format_json(last.raw.decode(errors="replace")), tuple(last.errors[:20])
    heads = tx.artifacts.revisions(run, path)
    return _revision(tx, overview, attempt, heads[-1].revision) if heads else ("", "", ())


def _revision(tx: Tx, overview: Overview, attempt: Attempt, number: int) -> tuple[str, str, tuple[JsonObject, ...]]:
    record = tx.artifacts.revision(overview.loaded.record.id, attempt.phase, number)
    assert record is not None, "the state names a stored revision"
    return f"revision {number}", _format_json(record.content), ()


def _format_json(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
