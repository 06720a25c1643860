"""The decision view at a terminal: the question, what is unusual, the change, the artifact, the evidence.

    --stat      the files that changed, without their lines
    --full      every line, also of long files and texts
    --raw       the artifact as JSON

1. A long file or text is cut with the number of lines that are left, and the command that shows them.
2. Piped, nothing is wrapped and nothing is coloured.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal import pin
from wfe_mcp.cli.terminal.pager import paged
from wfe_mcp.cli.terminal.prose import part_lines, wrapped
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import typed
from wfe_mcp.core.units import plural
from wfe_mcp.views.approvals.content import parts_of
from wfe_mcp.views.plain import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.cli.terminal.invocation import Invocation
    from wfe_mcp.views.approvals.model import (
        ApprovalView,
        ArtifactShown,
        Change,
        GateEvidence,
        OpinionShown,
        Prompt,
        Unusual,
    )
    from wfe_mcp.workspace.git.file_diffs import FileDiff

_MOST_LINES, _MOST_OF_FILE, _MOST_IN_ALL = 400, 200, 1_500
_LETTER = {"added": "A", "deleted": "D", "modified": "M", "renamed": "R", "mode": "M"}
_STYLE = {"weakened": "red", "failed": "red", "warning": "yellow", "skipped": "dim"}
_LINES = {"+": "green", "-": "red"}
_NO_LINES = {
    "binary": "binary",
    "large": "too large to compare here",
    "submodule": "another commit of a nested repository",
    "unknown": "content no longer stored",
}


@dataclass(frozen=True, slots=True)
class Detail:
    """How much to show. ``since``: whose lines are shown, ``start`` or ``approval``; of the other change only the files."""

    stat: bool = False
    full: bool = False
    raw: bool = False
    since: str = "start"


def show_open(invocation: Invocation, run: str, phase: str, detail: Detail) -> None:
    """Show what waits for an approval in ``run``; without ``phase`` the first. Refuses where nothing does."""
    from wfe_mcp.views.approvals import open_approval, shown_sha256
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.envelopes import overview_of
    from wfe_mcp.views.model import plain

    run = invocation.at(run, phase or None)
    found = overview_of(invocation.engine, run)
    names = [phase] if phase else [str(each.phase) for each in found.loaded.state.open_attempts]
    views = (open_approval(invocation.engine, found, name) for name in names)
    view = next((each for each in views if each is not None), None)
    if view is None:
        what = f"phase {phase!r}" if phase else "this run"
        raise Refused(
            "illegal_transition", f"Nothing in {what} awaits your approval.", f"See where it is: wfe-mcp status {run}"
        )
    data = {"decision": plain(view), "shown_sha256": shown_sha256(view)}
    answer = Envelope(
        True,
        run,
        view.phase,
        "awaiting",
        str(found.loaded.state.status),
        found.waiting_on,
        summary=view.question,
        data=data,
    )
    invocation.render(answer, lambda screen: show_decision(screen, view, detail))


def show_decision(screen: Screen, view: ApprovalView, detail: Detail) -> None:
    """Show all of ``view``; long ones through the pager."""
    with paged(screen):
        _Lines(screen, view, detail).show()
    screen.flush()


def show_first(invocation: Invocation, view: ApprovalView, detail: Detail, *, asks: bool) -> None:
    """Show ``view`` before it is decided. With ``--json`` on standard error, where the PIN is asked for."""
    if not invocation.screen.as_json:
        show_decision(invocation.screen, view, detail)
    elif asks and pin.at_terminal():
        with contextlib.redirect_stdout(sys.stderr):
            show_decision(Screen(as_json=False), view, detail)


class _Lines:
    def __init__(self, screen: Screen, view: ApprovalView, detail: Detail) -> None:
        self._screen, self._view, self._detail = screen, view, detail
        self._again = f"wfe-mcp show {view.run} --decision --phase {typed(view.phase)}"

    @property
    def _artifacts(self) -> list[ArtifactShown]:
        return [*([self._view.artifact] if self._view.artifact else []), *self._view.earlier]

    def show(self) -> None:
        view = self._view
        self._text(f"{view.question.removesuffix('?')} ({view.run}, attempt {view.attempt})?", style="bold")
        for each in view.inputs:
            self._cut(list(self._wrapped(f"{each.name}: {as_text(each.value)}", "  ")), 12)
        self._text(view.effect)
        self._unusual(view.unusual)
        self._changes(view.changes)
        if view.prompt is not None:
            self._prompt(view.prompt)
        if view.artifact is not None:
            self._artifact(view.artifact)
        for each in view.earlier:
            about = "; ".join(filter(None, (each.phase if each.phase != each.name else "", each.approved)))
            named = f"{each.name} ({about})" if about else each.name
            # A command is never wrapped: it is there to be pasted.
            self._screen.line(f"  earlier: {named}")
            self._screen.line(f"    wfe-mcp artifact show {view.run} {typed(each.phase)}")
        self._evidence(view.evidence)
        self._opinions(view.opinions)
        self._attached()
        self._attempts()
        if view.phrase:
            self._text(f"This gate asks for the phrase: {view.phrase}")

    def _unusual(self, found: Sequence[Unusual]) -> None:
        if not found:
            self._screen.line("Nothing unusual.")
            return
        self._screen.line("UNUSUAL", "bold")
        for each in found:
            mark = f"{each.weight}: " if each.weight in {"weakened", "failed"} else ""
            self._text(f"  ! {mark}{each.text} {each.why}".rstrip(), "    ", _STYLE[each.weight])

    def _changes(self, changes: Sequence[Change]) -> None:
        wanted = 1 if self._detail.since == "approval" and len(changes) > 1 else 0
        for number, change in enumerate(changes):
            if change.note:
                self._screen.line(f"CHANGE since {change.since}: unknown", "bold")
                self._text(f"  {change.note}", "  ")
                continue
            first = " (no earlier approval)" if len(changes) == 1 and "approval" not in change.since else ""
            if not change.files:
                self._screen.line(f"CHANGE since {change.since}{first}: no files", "bold")
                continue
            size = f"{plural(len(change.files), 'file')}, +{change.added} -{change.removed}"
            self._screen.line(f"CHANGE since {change.since}{first}: {size}", "bold")
            if self._detail.stat or number != wanted:
                self._stat(change.files)
            else:
                self._files(change.files)
        if len(changes) > 1 and not self._detail.stat and not changes[1 - wanted].note:
            other = "start" if wanted else "approval"
            self._screen.line(f"  its lines: {self._again} --since {other}", "dim")

    def _stat(self, files: Sequence[FileDiff]) -> None:
        for each in files:
            self._screen.line(_head(each))

    def _files(self, files: Sequence[FileDiff]) -> None:
        shown = 0
        for each in files:
            holds = next((one.name for one in self._artifacts if each.path in one.written), "")
            if holds and not self._detail.full:
                self._screen.line(f"{_head(each)} (artifact {holds}, see below)", "bold")
                continue
            self._screen.line(_head(each), "bold")
            lines = [line for hunk in each.hunks for line in (hunk.header, *hunk.lines)]
            room = len(lines) if self._detail.full else max(0, min(_MOST_OF_FILE, _MOST_IN_ALL - shown))
            for line in lines[:room]:
                self._screen.line(line, _LINES.get(line[0], "cyan" if line.startswith("@@") else ""))
            shown += len(lines[:room])
            self._more(len(lines) - room)

    def _prompt(self, prompt: Prompt) -> None:
        if prompt.text is None:
            self._screen.line("PROMPT", "bold")
            self._text(f"  ! {prompt.file} is not what the gates judged. Reject it.", "    ", "red")
            return
        lines = prompt.text.rstrip("\n").split("\n")
        self._screen.line(
            f"PROMPT, exactly as the agent gets it, {plural(len(lines), 'line')}, sha256 {prompt.sha256}", "bold"
        )
        self._cut([each for line in lines for each in wrapped(f"  {line}", self._screen.width)], _MOST_LINES)
        if prompt.changes:
            self._text(f"  {prompt.origin}. Against the prompt that the template makes:")
            lines = "\n".join(str(each.get("diff", each.get("new", ""))) for each in prompt.changes).split("\n")
            room = len(lines) if self._detail.full else _MOST_OF_FILE
            for line in lines[:room]:
                self._screen.line(f"  {line}", _LINES.get(line[:1], ""))
            self._more(len(lines) - room)
        if prompt.editable:
            self._screen.line(f"  To change it: wfe-mcp edit {self._view.run} {typed(self._view.phase)}")

    def _artifact(self, artifact: ArtifactShown) -> None:
        self._screen.line(f"ARTIFACT {artifact.name}, revision {artifact.revision}, sha256 {artifact.sha256}", "bold")
        if self._detail.raw:
            lines = json.dumps(artifact.content, indent=2, ensure_ascii=False).split("\n")
        else:
            width = None if self._screen.width is None else self._screen.width - 2
            lines = list(part_lines(parts_of(artifact.schema, artifact.content), width))
        self._cut([f"  {line}".rstrip() for line in lines], _MOST_LINES)
        for each in artifact.questions:
            self._text(f"  ? {each}", "    ", "yellow")
        if artifact.against:
            self._since_revision(artifact)
        if artifact.file:
            self._text(f"  To change it, edit {artifact.file} and run this again.", "    ")

    def _since_revision(self, artifact: ArtifactShown) -> None:
        if not artifact.changes:
            self._screen.line(f"  unchanged since revision {artifact.against}")
            return
        self._screen.line(f"  {plural(len(artifact.changes), 'part')} changed since revision {artifact.against}")
        self._screen.line(f"    wfe-mcp artifact diff {self._view.run} {typed(artifact.phase)}")

    def _evidence(self, evidence: Sequence[GateEvidence]) -> None:
        shown = [each for each in evidence if each.state != "awaiting"]
        if shown:
            self._screen.line(f"EVIDENCE, {self._gates()}", "bold")
            self._screen.table((), [(each.gate, each.state, each.level, each.text) for each in shown], "  ")

    def _gates(self) -> str:
        weaker = sum(each.weight == "weakened" for each in self._view.unusual)
        return f"{plural(weaker, 'gate')} weakened" if weaker else "gates as in the template"

    def _opinions(self, opinions: Sequence[OpinionShown]) -> None:
        if all(each.state == "skipped" for each in opinions):  # the gate's line says so
            return
        self._screen.line("OPINIONS", "bold")
        for each in opinions:
            model = f" ({each.model})" if each.model else ""
            self._screen.table((), [(f"{each.reviewer}{model}", each.state, each.summary)], "  ")
            for one in each.findings:
                where = f"{one.place}: " if one.place else ""
                more = "; ".join(filter(None, (one.detail, one.recommendation)))
                self._text(f"    - {one.severity}: {where}{one.title}" + (f" ({more})" if more else ""), "      ")

    def _attempts(self) -> None:
        if self._view.attempts:
            self._screen.line("EARLIER ATTEMPTS", "bold")
            self._screen.table((), [(str(each.number), each.state, each.reason) for each in self._view.attempts], "  ")

    def _attached(self) -> None:
        if self._view.attachments:
            self._screen.line("ATTACHED FILES", "bold")
        for each in self._view.attachments:
            about = (
                f"{each.name}, {each.media_type}, {each.size_bytes:,} bytes, sha256 {each.sha256[:12]}, by {each.by}"
            )
            self._text(f"  {about}" + (f": {each.note}" if each.note else ""), "    ")
            self._screen.line(f"    wfe-mcp artifact show {self._view.run} attachment:{each.number} --save FILE")

    def _cut(self, lines: Sequence[str], most: int) -> None:
        room = len(lines) if self._detail.full else most
        for line in lines[:room]:
            self._screen.line(line)
        self._more(len(lines) - room)

    def _more(self, left: int) -> None:
        if left > 0:
            self._screen.line(f"  … {plural(left, 'more line')}: {self._again} --full", "dim")

    def _wrapped(self, text: str, indent: str) -> list[str]:
        """``text`` in lines of the terminal's width; later ones indented."""
        width = self._screen.width
        found: list[str] = []
        for line in text.split("\n"):
            pieces = list(wrapped(line, None if width is None else width - len(indent)))
            found += [pieces[0] if not found else f"{indent}{pieces[0].lstrip()}" if width else pieces[0]]
            found += [f"{indent}{piece.lstrip()}" for piece in pieces[1:]]
        return found

    def _text(self, text: str, indent: str = "", style: str = "") -> None:
        for line in self._wrapped(text, indent):
            self._screen.line(line, style)


def _head(file: FileDiff) -> str:
    """One file: ``M slug.py +1 -1``."""
    name = f"{file.old_path} -> {file.path}" if file.old_path else file.path
    mode = (
        f" mode {file.old_mode} -> {file.new_mode}"
        if file.old_mode and file.new_mode and file.old_mode != file.new_mode
        else ""
    )
    if file.kind != "text":
        return f"{_LETTER[file.status]} {name}{mode} ({_NO_LINES[file.kind]})"
    counts = "".join(f" {sign}{count}" for sign, count in (("+", file.added), ("-", file.removed)) if count)
    return f"{_LETTER[file.status]} {name}{mode}{counts}"
