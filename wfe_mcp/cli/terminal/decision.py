"""The decision view at a terminal: the question, what is unusual, the change, the artifact, the evidence.

    --stat      the files that changed, without their lines
    --full      everything: every line of long files and texts, earlier artifacts, the facts of each gate, every id
    --raw       the artifact as JSON

1. A long file or text is cut with the number of lines that are left, and the command that shows them.
2. Piped, nothing is wrapped and nothing is coloured.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from wfe_mcp.artifacts.content import parts_of
from wfe_mcp.cli.terminal import pin
from wfe_mcp.cli.terminal.changes import render_changes
from wfe_mcp.cli.terminal.confirm import page_output
from wfe_mcp.cli.terminal.prose import part_lines, wrap_text
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import fold_text
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.paths import shell_path
from wfe_mcp.core.texts import clean, one_line, visible_json
from wfe_mcp.core.units import plural
from wfe_mcp.views.approvals import open_approval, shown_sha256, words
from wfe_mcp.views.approvals.changes import APPROVAL, COMMIT
from wfe_mcp.views.approvals.request import since_last_asked
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.values.model import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfe_mcp.cli.terminal.invocation import Invocation
    from wfe_mcp.views.approvals.model import (
        ApprovalView,
        ArtifactShown,
        Change,
        GateEvidence,
        OpinionShown,
        Prompt,
        Target,
    )
    from wfe_mcp.views.runs.inputs import Input
    from wfe_mcp.views.runs.requests import Unusual
    from wfe_mcp.workspace.git.file_diffs import FileDiff

_MOST_LINES, _MOST_OF_FILE, _MOST_IN_ALL = 400, 200, 1_500
_MOST_OF_SUGGESTION, _MOST_CHANGES, _MOST_EARLIER, _VALUE_CHARS = 40, 20, 12, 200
_LETTER = {"added": "A", "deleted": "D", "modified": "M", "renamed": "R", "mode": "M"}
_STYLE = {"weakened": "red", "failed": "red", "warning": "yellow", "skipped": "dim", "note": "dim"}
MOMENTS = ("start", "approval", "commit", "attempt")
"""Since when a change is shown: the begin of the run, the last approval, the last commit, when it was last asked (``since_last_asked``)."""
_MOMENT = {APPROVAL: "approval", COMMIT: "commit"}
_LINES = {"+": "green", "-": "red"}


@dataclass(frozen=True, slots=True)
class Detail:
    """How much to show. ``since``: whose lines are shown, one of ``MOMENTS``; of the other changes only the files."""

    stat: bool = False
    full: bool = False
    raw: bool = False
    since: str = "start"


def show_open(invocation: Invocation, run: str, phase: str, detail: Detail) -> None:
    """Show what waits for an approval in ``run``; without ``phase`` the first. Refuses where nothing does."""
    if detail.since not in MOMENTS:
        hint = nearest_hint(detail.since, MOMENTS, f"Take one of {', '.join(MOMENTS)}.")
        raise Refused("bad_argument", f"--since {detail.since!r} is no moment of a decision.", hint)
    run = invocation.resolve_run(run, phase or None)
    overview = overview_of(invocation.engine, run)
    names = [phase] if phase else [str(attempt.phase) for attempt in overview.loaded.state.open_attempts]
    views = (open_approval(invocation.engine, overview, name) for name in names)
    view = next((approval for approval in views if approval is not None), None)
    if view is None:
        what = f"phase {phase!r}" if phase else "this run"
        raise Refused(
            "illegal_transition", f"Nothing in {what} awaits your approval.", f"See where it is: wfe-mcp status {run}"
        )
    since = since_last_asked(invocation.engine, overview, view)
    if since is None and detail.since == "attempt":
        raise Refused(
            "not_ready",
            f"You were not asked about {view.phase!r} before with other files, so there is nothing to compare with.",
            "Leave --since out, for the change since the run began.",
        )
    data = {"decision": plain(view), "shown_sha256": shown_sha256(view)} | ({"since": plain(since)} if since else {})
    answer = Envelope(
        True,
        run,
        view.phase,
        "awaiting",
        str(overview.loaded.state.status),
        overview.waiting_on,
        summary=view.question,
        data=data,
    )
    invocation.render(answer, lambda screen: show_decision(screen, view, detail, since))


def show_decision(screen: Screen, view: ApprovalView, detail: Detail, since: Change | None = None) -> None:
    """Show all of ``view``; long ones through the pager. ``since``: see ``since_last_asked``."""
    with page_output(screen):
        _Lines(screen, view, detail, since).show()
    screen.flush()


def show_first(invocation: Invocation, view: ApprovalView, detail: Detail, *, asks: bool) -> None:
    """Show ``view`` before it is decided. With ``--json`` on standard error, where the PIN is asked for."""
    if invocation.screen.as_json and not (asks and pin.at_terminal()):
        return
    since = since_last_asked(invocation.engine, overview_of(invocation.engine, view.run), view)
    if not invocation.screen.as_json:
        show_decision(invocation.screen, view, detail, since)
    else:
        with contextlib.redirect_stdout(sys.stderr):
            show_decision(Screen(as_json=False), view, detail, since)


class _Lines:
    def __init__(self, screen: Screen, view: ApprovalView, detail: Detail, since: Change | None) -> None:
        self._screen, self._view, self._detail = screen, view, detail
        self._changed = {_MOMENT.get(change.since, MOMENTS[0]): change for change in view.changes}
        self._changed |= {} if since is None else {"attempt": since}
        self._again = f"wfe-mcp show {view.run} --decision --phase {shell_path(view.phase)}"

    @property
    def _artifacts(self) -> list[ArtifactShown]:
        return [*([self._view.artifact] if self._view.artifact else []), *self._view.earlier]

    def show(self) -> None:
        view = self._view
        self._text(
            f"{view.question.removesuffix('?')} ({view.project}, {view.run}, attempt {view.attempt})?", style="bold"
        )
        if self._detail.full:
            self._text(f"{view.title}: {words.about(view)}")
        for input_ in view.inputs:
            self._input(input_)
        for sentence in filter(None, (view.effect, view.send_back)):
            self._text(sentence)
        self._target(view.target)
        self._unusual(view.unusual)
        self._not_done(view)
        self._changes()
        if view.prompt is not None:
            self._prompt(view.prompt)
        if view.artifact is not None:
            self._artifact("artifact", view.artifact)
        shown = view.earlier if self._detail.full else view.earlier[-_MOST_EARLIER:]
        for artifact_shown in shown:
            self._earlier(artifact_shown)
        self._more(len(view.earlier) - len(shown))
        self._evidence(view.evidence)
        self._opinions(view.opinions)
        self._add_attachments()
        self._attempts()
        if self._detail.full:
            self._text(words.binds(view))
        if view.phrase:
            self._text(words.phrase(view))
        if not self._detail.full:
            self._screen.line(f"Every line, id and fact: {self._again} --full", "dim", is_pasted=True)

    def _title(self, part: str, about: str = "") -> None:
        self._screen.line(f"{words.TITLES[part].upper()}{about}", "bold")

    def _target(self, target: Target | None) -> None:
        if target is None:
            return
        self._text(f"{words.TARGET.upper()} {words.target_about(target)}", style="bold")
        for call in target.calls:
            self._text(f"  {words.call(call)}", "    ")
            for name, value in words.call_values(call, target):
                self._print_cut(list(self._wrap_line(f"    {name}: {value}", "      ")), _MOST_LINES)
        for deployment in target.deployments:
            for name, value in words.deployment_values(deployment):
                text = f"{name}: {value}".replace("\n", "\n  ")
                lines = [line for piece in text.split("\n") for line in self._wrap_line(f"    {piece}", "      ")]
                self._print_cut(lines, _MOST_LINES)

    def _unusual(self, entries: Sequence[Unusual]) -> None:
        if not entries:
            self._screen.line(words.NOTHING_UNUSUAL)
            return
        self._screen.line("UNUSUAL", "bold")
        for unusual in entries:
            self._text(f"  ! {unusual.weight}: {unusual.text} {unusual.why}".rstrip(), "    ", _STYLE[unusual.weight])

    def _input(self, input_: Input) -> None:
        """An input; one that is as in the template, and a long list, in a line."""
        name, text = words.input_texts(input_, is_full=self._detail.full)
        if "\n" not in text.strip():
            self._print_cut(self._wrap_line(f"{name}: {text.strip()}", "  "), 12)
            return
        self._screen.line(f"{name}:")
        self._print_cut([piece for line in _lines(text) for piece in self._wrap_line(f"    {line}", "    ")], 12)

    def _not_done(self, view: ApprovalView) -> None:
        """What was not done: what is new since the last decision, and with ``--full`` all of it."""
        if not view.not_done:
            return
        self._screen.line(f"{words.NOT_DONE.upper()} {words.not_done_about(view)}", "bold")
        shown = [not_done for not_done in view.not_done if self._detail.full or not_done.is_new]
        for not_done in shown:
            more = f" ({words.not_done_when(not_done)})" if self._detail.full else ""
            self._text(f"  - {words.not_done(not_done)}{more}", "    ", "dim")
        self._more(len(view.not_done) - len(shown))

    def _changes(self) -> None:
        """The lines of one change, and the files of the others with the command for their lines."""
        wanted = self._detail.since if self._detail.since in self._changed else MOMENTS[0]
        for moment, change in self._changed.items():
            size = f", +{change.added} -{change.removed}" if change.has_lines else ""
            self._title("change", f" {words.change_about(self._view, change)}{size}")
            for sentence in filter(None, (change.note, change.commits)):
                self._text(f"  {sentence}", "  ")
            if self._detail.full and words.trees(change):
                self._screen.line(f"  {words.trees(change)}")
            for warning in words.watched_sentences(change):
                self._text(f"  {warning}", "    ")
            if moment == wanted and not self._detail.stat:
                self._files(change.files)
                continue
            for file in change.files:
                self._add_folded(_head(file))
            if not self._detail.stat and change.has_lines:
                self._screen.line(f"  its lines: {self._again} --since {moment}", "dim", is_pasted=True)

    def _files(self, files: Sequence[FileDiff]) -> None:
        shown = 0
        for file in files:
            holds = next((artifact.name for artifact in self._artifacts if file.path in artifact.written), "")
            self._add_folded(_head(file, holds), "bold")
            if self._detail.full:
                self._screen.line(f"  {words.file_ids(file)}")
            elif holds:
                continue
            lines = [line for hunk in words.hunks(file) for line in (hunk.header, *hunk.lines)]
            room = len(lines) if self._detail.full else max(0, min(_MOST_OF_FILE, _MOST_IN_ALL - shown))
            for line in lines[:room]:
                self._add_folded(line, _LINES.get(line[0], "cyan" if line.startswith("@@") else ""))
            shown += len(lines[:room])
            self._more(len(lines) - room)

    def _prompt(self, prompt: Prompt) -> None:
        self._text(
            f"PROMPT, {words.prompt_about(self._view, prompt)}", "  ", "bold" if prompt.text is not None else "red"
        )
        lines = [] if prompt.text is None else _lines(prompt.text)
        self._print_cut([piece for line in lines for piece in wrap_text(f"  {line}", self._screen.width)], _MOST_LINES)
        if words.prompt_origin(prompt):
            self._text(f"  {words.prompt_origin(prompt)}")
        self._differences(prompt.changes)
        if prompt.editable:
            self._screen.line(
                f"  To change it: wfe-mcp edit {self._view.run} {shell_path(self._view.phase)}", is_pasted=True
            )

    def _artifact(self, part: str, artifact: ArtifactShown) -> None:
        title = "ARTIFACT" if part == "artifact" else "EARLIER ARTIFACT"
        self._text(f"{title} {words.artifact_about(artifact)}", "  ", "bold")
        if self._detail.raw:
            lines = visible_json(artifact.content, indent=2).split("\n")
        else:
            width = None if self._screen.width is None else self._screen.width - 2
            lines = list(part_lines(parts_of(artifact.schema, artifact.content), width))
        self._print_cut([f"  {line}".rstrip() for line in lines], _MOST_LINES)
        if artifact.questions:
            self._screen.line(f"  {words.LEFT_OPEN}:")
        for question in artifact.questions:
            self._text(f"  ? {question}", "    ", "yellow")
        for about, style in ((words.artifact_claimed(artifact), "yellow"), (words.artifact_changed(artifact), "")):
            if about:
                self._text(f"  {about}", "    ", style)
        if artifact.changes and not self._detail.full:
            self._screen.line(
                f"    wfe-mcp artifact diff {self._view.run} {shell_path(artifact.phase)}", is_pasted=True
            )
        elif artifact.changes:
            self._differences(artifact.changes)
        if artifact.file:
            self._text(f"  {words.artifact_to_edit(artifact)}", "    ")

    def _earlier(self, artifact: ArtifactShown) -> None:
        """One that was accepted before: its line and the command that shows it, or with ``--full`` itself."""
        if self._detail.full:
            self._artifact("earlier", artifact)
            return
        about = "; ".join(filter(None, (artifact.phase if artifact.phase != artifact.name else "", artifact.approved)))
        # A command is never wrapped: it is there to be pasted.
        self._screen.line(f"  earlier: {artifact.name} ({about})" if about else f"  earlier: {artifact.name}")
        self._screen.line(f"    wfe-mcp artifact show {self._view.run} {shell_path(artifact.phase)}", is_pasted=True)

    def _differences(self, changes: Sequence[Mapping[str, Any]]) -> None:
        """How a value differs; without ``--full`` its first lines."""
        if self._detail.full:
            render_changes(self._screen, changes, before="  ")
            return
        for change in changes[:_MOST_CHANGES]:
            lines = str(change.get("diff", "")).split("\n")
            cut = {**change, "diff": "\n".join(lines[:_MOST_OF_FILE])} if "diff" in change else change
            render_changes(self._screen, (cut,), _VALUE_CHARS, "  ")
            self._more(len(lines) - _MOST_OF_FILE)
        self._more(len(changes) - _MOST_CHANGES)

    def _evidence(self, evidence: Sequence[GateEvidence]) -> None:
        shown = [gate for gate in evidence if self._detail.full or gate.state != "awaiting"]
        if not shown:
            return
        self._title("evidence", f", {words.evidence_about(self._view)}")
        self._screen.table((), [(gate.gate, gate.state, gate.level, gate.text) for gate in shown], "  ", state_at=1)
        if whose := words.whose(self._view):
            self._text(f"  {whose}", "  ")
        for gate in shown if self._detail.full else ():
            self._screen.line(f"  {gate.gate}:")
            for fact in words.gate_facts(gate):
                self._text(f"    {fact.name}: {words.fact_text(fact)}", "      ")

    def _opinions(self, opinions: Sequence[OpinionShown]) -> None:
        if all(opinion.state == "skipped" for opinion in opinions) and not self._detail.full:  # the gate's line says so
            return
        if opinions:
            self._title("opinions")
        for opinion in opinions:
            self._screen.table((), [(words.reviewer(opinion), opinion.state, opinion.summary)], "  ", state_at=1)
            if opinion.source:
                self._text(f"    from {opinion.source}", "      ")
            for finding in opinion.findings:
                where = f"{finding.place}: " if finding.place else ""
                self._text(f"    - {finding.severity}: {where}{words.finding(finding)}", "      ")
            if opinion.suggestion:
                self._screen.line(f"    {words.SUGGESTS}:")
                self._print_cut([f"      {line}".rstrip() for line in _lines(opinion.suggestion)], _MOST_OF_SUGGESTION)

    def _attempts(self) -> None:
        if self._view.attempts:
            self._title("attempts")
            widest = max(len(attempt.state) for attempt in self._view.attempts)
            for attempt in self._view.attempts:
                state = attempt.state.replace("_", " ").ljust(widest)
                self._screen.table((), [(str(attempt.number), state, words.attempt_reason(attempt))], "  ", state_at=1)
                if attempt.whole:
                    self._print_cut([f"      {line}".rstrip() for line in _lines(attempt.whole)], _MOST_OF_SUGGESTION)

    def _add_attachments(self) -> None:
        if self._view.attachments:
            self._title("attached")
        for attachment in self._view.attachments:
            self._text(f"  {words.attachment(attachment)}", "    ")
            self._screen.line(
                f"    wfe-mcp artifact show {self._view.run} attachment:{attachment.number} --save FILE", is_pasted=True
            )

    def _print_cut(self, lines: Sequence[str], most: int) -> None:
        room = len(lines) if self._detail.full else most
        for line in lines[:room]:
            self._screen.line(line)
        self._more(len(lines) - room)

    def _more(self, left: int) -> None:
        if left > 0:
            self._screen.line(f"  … {plural(left, 'more line')}: {self._again} --full", "dim", is_pasted=True)

    def _add_folded(self, text: str, style: str = "") -> None:
        """A line that is not wrapped between words; what has no room in it is indented below it."""
        width = self._screen.width
        for number, piece in enumerate(fold_text(one_line(text), None if width is None else width - 2)):
            self._screen.line(f"  {piece}" if number else piece, style)

    def _wrap_line(self, text: str, indent: str) -> list[str]:
        """``text``, which is one line, in lines of the terminal's width; later ones indented."""
        width = self._screen.width
        first, *more = wrap_text(one_line(text), None if width is None else width - len(indent))
        return [first, *(f"{indent}{piece.lstrip()}" for piece in more)]

    def _text(self, text: str, indent: str = "  ", style: str = "") -> None:
        for line in self._wrap_line(text, indent):
            self._screen.line(line, style)


def _lines(text: str) -> list[str]:
    """The lines of a text, nothing in them hidden."""
    return clean(text).rstrip("\n").split("\n")


def _head(file: FileDiff, holds: str = "") -> str:
    """One file: ``M slug.py +1 -1``. ``holds``: the artifact, shown below, that is exactly its text."""
    counts = "".join(f" {sign}{count}" for sign, count in (("+", file.added), ("-", file.removed)) if count)
    notes = "; ".join(words.file_notes(file, holds))
    return f"{_LETTER[file.status]} {words.file_name(file)}{counts}{f' ({notes})' if notes else ''}"
