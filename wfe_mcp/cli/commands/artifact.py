"""``wfe-mcp artifact``: show, compare, restore and accept what phases produced."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.changes import render_changes
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Phase, PinFd, Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import shorten
from wfe_mcp.cli.terminal.waiting import wait_for_gates
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.texts import visible_json
from wfe_mcp.views.values.model import plain
from wfe_mcp.workspace.files.project_files import write_new

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wfe_mcp.views.runs.attachments import AttachmentLine, DraftLine
    from wfe_mcp.views.runs.models import HeadView

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="The artifact or its phase; without it the list.")]
Which = Annotated[str, typer.Argument(metavar="NAME", help="The artifact, or its phase.")]
Restored = Annotated[str, typer.Argument(metavar="[PHASE]", help="Only this phase; without it every changed file.")]
Revision = Annotated[int | None, typer.Option("--revision", metavar="N", help="This revision instead of the newest.")]
Draft = Annotated[
    int | None, typer.Option("--draft", metavar="N", help="Draft N, a refused submission of the phase NAME.")
]
At = Annotated[str, typer.Option("--at", metavar="N", help="As it was after event N of the run, or at cp-12.")]
Pointer = Annotated[str, typer.Option("--pointer", metavar="/PATH", help="Only this part (a JSON pointer).")]
OfPhase = Annotated[
    str, typer.Option("--phase", metavar="PHASE", help="The phase of NAME, where several have one: steps:1, tools:1.")
]
Save = Annotated[str, typer.Option("--save", metavar="FILE", help="Write the bytes of an attached file to FILE.")]
Against = Annotated[
    str,
    typer.Option(
        "--against",
        metavar="OTHER",
        help="A revision (2), attempt:2, iteration:1, or another run: RUN2[:PHASE][@2]; else the revision before.",
    ),
]


def show(
    invocation: Invocation,
    run: Run,
    name: Name = "",
    revision: Revision = None,
    pointer: Pointer = "",
    at: At = "",
    draft: Draft = None,
    save: Save = "",
    of_phase: OfPhase = "",
) -> None:
    """Print an artifact of a run, a refused draft or an attached file.

    `inputs` prints what the run was started with, `outputs` its outputs, `steps:1` the calls of a phase of steps.
    """
    from wfe_mcp.views.answers import tool_answers as answers
    from wfe_mcp.views.artifacts.artifacts import ArtifactList, RevisionView

    engine, run = invocation.engine, invocation.resolve_run(run)
    phase, artifact = (of_phase, name) if of_phase else _phase_and_artifact(invocation, run, name)
    if save:
        _save(invocation, run, artifact, save)
        return
    if draft is not None:
        if revision is not None or at or artifact.startswith("draft:"):
            raise typer.BadParameter("takes a phase, and neither --revision nor --at", param_hint="--draft")
        artifact = f"draft:{draft}"
    if at and name:
        newest = answers.read_artifact(engine, invocation.by, run, phase, artifact).view_as(RevisionView).head
        revision = _revision_then(invocation, run, newest, at, revision)
    # Only models pay for what they read.
    answer = answers.read_artifact(engine, invocation.by, run, phase, artifact, revision, pointer, is_whole=True)
    if at and not name:
        answer = answer.showing(ArtifactList(artifacts=_listed_then(invocation, run, at)))
    invocation.render(answer, lambda screen: _render(screen, answer.view, invocation.engine.clock()))


def _save(invocation: Invocation, run: str, artifact: str, save: str) -> None:
    from wfe_mcp.core.model import RunId
    from wfe_mcp.views.runs.attachments import ATTACHMENT, attachment_of

    if not artifact.startswith(ATTACHMENT):
        raise typer.BadParameter(f"takes an attached file, for example {ATTACHMENT}1", param_hint="--save")
    with invocation.engine.store.read() as tx:
        attachment = attachment_of(tx, RunId(run), artifact)
    invocation.outcome(None, *save_attachment(attachment.name, attachment.sha256, attachment.content, save))


def save_attachment(name: str, sha256: str, content: bytes, save: str) -> tuple[str, dict[str, str]]:
    """Write the bytes of an attached file, and say so; an existing file is left alone."""
    write_new(Path(save), content)
    what = f"Wrote {name} ({len(content):,} bytes, sha256 {sha256[:12]}) to {save}"
    return what, {"saved": save, "sha256": sha256}


def show_item_file(invocation: Invocation, item: str, number: int, save: str) -> None:
    """Print the text of a file that is attached to a work item, or write its bytes to ``save``."""
    from wfe_mcp.engine.work.item_files import file_of

    file, content = file_of(invocation.engine, item, number)
    if save:
        what, data = save_attachment(file.name, file.sha256, content, save)
        invocation.answer(what, data=data)
        return
    text = content.decode() if file.media_type == "text/plain" else ""
    what = f"{file.name}: {file.media_type}, {file.size_bytes:,} bytes, sha256 {file.sha256}"

    def render(screen: Screen) -> None:
        if text:
            screen.print_quoted(text.rstrip("\n"))
        else:
            screen.line(what)
            screen.next(f"wfe-mcp work show {item} --file {number} --save FILE")

    invocation.answer(what, render, data=file._asdict() | ({"text": text} if text else {}))


def diff(
    invocation: Invocation,
    run: Run,
    name: Which,
    against: Against = "",
    revision: Revision = None,
    pointer: Pointer = "",
) -> None:
    """Compare an artifact with another revision, attempt or run."""
    from wfe_mcp.views.answers import tool_answers as answers
    from wfe_mcp.views.artifacts.artifacts import DifferenceView, RevisionView

    engine, run = invocation.engine, invocation.resolve_run(run)
    phase, artifact = _phase_and_artifact(invocation, run, name)
    newest = answers.read_artifact(engine, invocation.by, run, phase, artifact, revision).view_as(RevisionView).head
    if not against and newest.revision == 1:
        raise Refused(
            "unknown_artifact",
            f"{newest.artifact} has no revision before 1.",
            "Name another run to compare with: --against RUN2",
        )
    other = against or str(newest.revision - 1)
    answer = answers.read_artifact(engine, invocation.by, run, phase, artifact, newest.revision, pointer, other)

    def render(screen: Screen) -> None:
        view = answer.view_as(DifferenceView)
        elsewhere = f"run {view.against_run}, " if view.against_run else ""
        elsewhere += f"phase {view.against_phase}, " if view.against_phase else ""
        screen.line(f"{view.artifact} {elsewhere}revision {view.against} -> {view.revision}", "bold")
        render_changes(screen, view.difference)
        if not view.difference:
            screen.line("No difference.")

    invocation.render(answer, render)


def restore(invocation: Invocation, run: Run, phase: Restored = "") -> None:
    """Restore the changed file of an accepted artifact."""
    from wfe_mcp.engine.runs.sealed_file_repair import put_back

    run = invocation.resolve_run(run, phase or None)
    done = put_back(invocation.engine, invocation.by, run, phase)
    what = f"Restored {', '.join(file.path for file in done)}" if done else "No file differs from its accepted artifact"
    invocation.outcome(phase or None, what, {"restored": [file.path for file in done]})


def accept(invocation: Invocation, run: Run, phase: Phase, pin_fd: PinFd = None) -> None:
    """Accept your edit of an accepted artifact.

    PHASE restarts with it and its gates run. Asks for your PIN.
    """
    from wfe_mcp.engine.runs.sealed_file_repair import accept_edit, edit_of
    from wfe_mcp.views.answers import tool_answers as answers

    run = invocation.resolve_run(run, phase)
    edit_of(invocation.engine, run, PhasePath(phase))  # what cannot be accepted is refused before the PIN is asked for
    by = invocation.person(pin_fd, f"accept the edited artifact of {phase}")
    receipt = accept_edit(invocation.engine, by, run, PhasePath(phase))
    wait_for_gates(invocation, run, phase, receipt.attempt)
    invocation.render(answers.submitted_answer(invocation.engine, run, phase, receipt.attempt, receipt.revision))


def _revision_then(invocation: Invocation, run: str, newest: "HeadView", at: str, wanted: int | None) -> int:
    """The revision of the artifact ``newest`` at event ``at``: the newest one then, or ``wanted``.

    Refuses ``unknown_artifact``.
    """
    there = [head.revision for head in _listed_then(invocation, run, at) if head.phase == newest.phase]
    if not there:
        raise Refused(
            "unknown_artifact",
            f"{newest.artifact} did not exist at event {at}.",
            f"Its revisions and their times: wfe-mcp artifact show {run}",
        )
    if wanted is not None and wanted > max(there):
        raise Refused(
            "unknown_artifact",
            f"{newest.artifact} had no revision {wanted} at event {at}.",
            f"Its newest one then was {max(there)}.",
        )
    return max(there) if wanted is None else wanted


def _listed_then(invocation: Invocation, run: str, at: str) -> "tuple[HeadView, ...]":
    from wfe_mcp.engine.history.as_of import moment, revisions_then
    from wfe_mcp.views.artifacts.artifacts import head_view

    with invocation.engine.store.read() as tx:
        then = moment(invocation.engine, tx, run, at)
        return tuple(head_view(head) for head in revisions_then(tx, then.overview.loaded))


def _phase_and_artifact(invocation: Invocation, run: str, name: str) -> tuple[str, str]:
    """``name`` as (phase, artifact): a phase's id where the run has such a phase."""
    is_phase = name in invocation.overview(run).loaded.state.attempts
    return (name, "") if is_phase else ("", name)


def _render(screen: Screen, view: object, now: "datetime") -> None:
    from wfe_mcp.views.artifacts.artifacts import ArtifactList, RevisionView, ValuesPart
    from wfe_mcp.views.runs.attachments import AttachmentView, DraftView

    if isinstance(view, ArtifactList):
        screen.table(
            ("artifact", "phase", "revision", "attempt", "schema", "sha256", "sealed"),
            [
                (
                    artifact.artifact,
                    artifact.phase,
                    artifact.revision,
                    artifact.attempt,
                    artifact.schema,
                    artifact.sha256[:12],
                    "sealed" if artifact.sealed else "",
                )
                for artifact in view.artifacts
            ],
        )
        drafts_table(screen, view.drafts, now)
        attachments_table(screen, view.attachments)
        return
    if isinstance(view, AttachmentView) and view.part is None:
        screen.line(
            f"{view.line.name}: {view.line.media_type}, {view.line.size_bytes:,} bytes, sha256 {view.line.sha256}"
        )
        screen.line(f"To save it: {view.command}", is_pasted=True)
        return
    part = view.part if isinstance(view, RevisionView | DraftView | ValuesPart | AttachmentView) else None
    for error in view.details if isinstance(view, DraftView) else ():
        screen.line(f"! {error['path'] or '(whole)'}: {error['message']}", "yellow")
    if part is None:  # calls of tools and steps: a list of their own
        shown = plain(view)
        content = shown.get("content", shown)
    else:
        content = part.text if part.cut else part.content
    if isinstance(content, str):
        screen.print_quoted(content)
    else:  # its line feeds are escapes
        screen.lines(visible_json(content, indent=2))
    if part is None or not part.cut:
        return
    if isinstance(view, AttachmentView):
        screen.next(view.command)
    else:
        parts = f": {shorten(', '.join(part.keys), 200)}" if part.keys else ""
        screen.line(f"… cut here, of {part.bytes:,} bytes. --pointer /NAME prints a part{parts}", "dim")


def drafts_table(screen: Screen, drafts: "Sequence[DraftLine]", now: "datetime") -> None:
    """Refused submissions, one a row; nothing for none."""
    if drafts:
        rows = [
            (draft.artifact, draft.phase, draft.attempt, draft.faults, screen.time(draft.at, now)) for draft in drafts
        ]
        screen.table(("draft", "phase", "attempt", "errors", "refused"), rows)


def attachments_table(screen: Screen, attached: "Sequence[AttachmentLine]") -> None:
    """Attached files, one a row; nothing for none."""
    if attached:
        rows = [
            (
                attachment.artifact,
                attachment.phase,
                attachment.attempt,
                attachment.name,
                attachment.media_type,
                f"{attachment.size_bytes:,}",
                attachment.sha256[:12],
                attachment.by,
            )
            for attachment in attached
        ]
        screen.table(("attached", "phase", "attempt", "file", "type", "bytes", "sha256", "by"), rows)
