"""The hand-off page: what the next worker of a run must know.

Done, decided, evidenced, open, next, budget: only what the database confirms. At most 8 KiB: the more there is, the less is
text each has, and what was left out is counted. Text of agents, people and files is quoted or between boundary lines
that its authors cannot predict; nothing in them moves a cursor or opens a heading.

    <!-- Written by wfe-mcp handoff; changes here are not read back. 1f2e3d4c5b6a7988 -->

The mark of every page that is written into a project ends with a hash of what follows it: one that was edited is known by it.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.loops import attempts_in_order
from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.core.prompts import split_comments
from wfe_mcp.core.texts import clean, cut
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.engine.templates.effective_gates import find_weakened_gates
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.views.moves.blockers import sentences
from wfe_mcp.views.moves.calls import next_moves
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.reports.report import DetailsView, details_of, void_words
from wfe_mcp.views.runs.left_to_commit import left_to_commit
from wfe_mcp.views.runs.run import summary
from wfe_mcp.views.runs.usage import usage_lines
from wfe_mcp.workspace.system.redaction import without_hidden

_SIZES = ((40, 240, 1_500), (20, 160, 800), (10, 100, 400), (5, 60, 200))
"""How many lines a section has, how many characters a text, how many the inputs."""


def run_of(engine: Engine, run: str = "") -> str:
    """The run that is meant: this one, else the newest open one, else the newest. Refuses ``unknown_run``."""
    with engine.store.read() as tx:
        if run:
            return tx.runs.find(engine.project_id, run).id
        ids = tx.runs.open_ids(engine.project_id) or [
            record.id for record in tx.runs.page(engine.project_id, limit=1).runs
        ]
    if not ids:
        raise Refused("unknown_run", "This project has no run to hand over.", "Start one: wfe-mcp start TEMPLATE")
    return ids[0]


def handoff(engine: Engine, run: str) -> str:
    """The page, in Markdown."""
    overview = overview_of(engine, run)
    details = details_of(engine, overview)
    with engine.store.read() as tx:
        evidence = {record.id: record for record in tx.evidence.of_run(overview.loaded.record.id)}
    pages = (_page(overview, details, evidence, *size) for size in _SIZES)
    fits = (page for page in pages if len(page.encode()) <= MAX_BYTES)
    return next(
        fits,
        _page(overview, details, evidence, *_SIZES[-1]).encode()[: MAX_BYTES - 40].decode(errors="ignore")
        + "\n[cut]\n",
    )


def files(engine: Engine, run: str) -> dict[str, str]:
    """The pages that a next session begins with, by their names; each says that it is ours."""
    overview = overview_of(engine, run)
    record = overview.loaded.record
    waits = "" if overview.waiting_on == "none" else f", waiting for {overview.waiting_on}"
    start = [
        "# Start here",
        "",
        "An AI coding agent works in this project by wfe-mcp, which keeps the plan and the evidence.",
        "",
        "1. Read [current-status.md](current-status.md): the state of the run.",
        "2. Read [next-handoff.md](next-handoff.md): what was done, decided and shown, and the next call.",
        f"3. Ask the server itself before you act, these pages may be old: `status(run={record.id!r})`.",
    ]
    status = [
        "# Current status",
        "",
        quoted_line(summary(overview), 300),
        "",
        f"Run `{record.id}`{waits}; last change {_day(record.updated_at)}.",
        "",
        *_limit_lines([f"- {quoted_line(text, 300)}" for text in sentences(overview)] or ["No blockers."], 15),
        "",
        *_limit_lines(
            [
                f"- {attempt.phase}: {attempt.status}, attempt {attempt.number}"
                for attempt in overview.loaded.state.open_attempts
            ],
            60,
        ),
    ]
    pages = {
        "START_HERE.md": "\n".join(start),
        "current-status.md": "\n".join(status),
        "next-handoff.md": handoff(engine, run),
    }
    return {name: mark_page("handoff", text) for name, text in pages.items()}


def _page(
    overview: Overview, details: DetailsView, evidence: dict[str, EvidenceRecord], lines: int, chars: int, inputs: int
) -> str:
    record = overview.loaded.record
    sections = {
        "Goal": _goal(overview, details, inputs),
        "Done": _limit_lines([f"- {text}" for text in _done_lines(overview)], lines),
        "Decided": _limit_lines([f"- {text}" for text in _decision_lines(details, chars)], lines),
        "Evidenced": _limit_lines([f"- {text}" for text in _evidence_lines(details, evidence, chars)], lines),
        "Open": [
            *([] if overview.waiting_on == "none" else [f"Waiting for {overview.waiting_on}."]),
            *_limit_lines([f"- {quoted_line(text, 2 * chars)}" for text in sentences(overview)], lines),
            *_limit_lines([f"- {text}" for text in _feedback_lines(overview, 2 * chars)], lines),
            *(f"- {quoted_line(text, 2 * chars)}" for text in left_to_commit(overview)),
        ],
        "Next": _next(overview),
        "Budget": [f"- {text}" for text in _budget(overview, details)],
    }
    head = [
        f"# Hand-off of run {record.id}",
        "",
        quoted_line(summary(overview), 300),
        f"Template {record.template} {record.template_version}; begun {_day(record.created_at)}, last change {_day(record.updated_at)}.",
        *(
            f"Weakened gate: {quoted_line(gate.sentence, 2 * chars)}."
            for gate in find_weakened_gates(overview.loaded)[:lines]
        ),
    ]
    body = [
        line
        for name, section_lines in sections.items()
        for line in ("", f"## {name}", "", *(section_lines or ["Nothing."]))
    ]
    return without_hidden("\n".join([*head, *body]) + "\n")


def _goal(overview: Overview, details: DetailsView, chars: int) -> list[str]:
    from wfe_mcp.workflow.prompts import fence

    inputs = "\n".join(
        f"{name}: {value if isinstance(value, str) else canonical_json(value)}"
        for name, value in details.inputs.items()
    )
    return [fence(clean(inputs), "the inputs", nonce=overview.loaded.record.id, limit=chars)] if inputs else []


def _done_lines(overview: Overview) -> Iterator[str]:
    for attempt in (tries[-1] for tries in attempts_in_order(overview.loaded.state)):  # also those of closed items
        if attempt.status is AttemptStatus.COMPLETED:
            name = overview.plan.artifact_name(attempt.phase)
            artifact = (
                f": {name}, revision {attempt.revision}, sha256 {str(attempt.sha256)[:12]}"
                if attempt.revision and name
                else ""
            )
            yield f"{attempt.phase} (attempt {attempt.number}){artifact}" + (" FORCED" if attempt.forced else "")


def _decision_lines(details: DetailsView, chars: int) -> Iterator[str]:
    for decision in details.decisions:
        text = decision.comment or split_comments(decision.reason)[0]
        words = f": {quoted_line(text, chars)}" if text else ""
        yield f"{decision.at[:16]}Z {decision.phase or 'run'} {decision.decision} by {quoted_line(decision.actor, 60)} ({decision.channel}, assurance {decision.assurance}){void_words(decision)}{words}"
        for note in decision.comments:
            yield f"its comment on {quoted_line(note.file, 120)}:{note.line} ({note.side}): {quoted_line(note.text, chars)}"


def _evidence_lines(details: DetailsView, evidence: dict[str, EvidenceRecord], chars: int) -> Iterator[str]:
    newest = {phase.phase: phase for phase in details.attempts}
    for attempt in newest.values():
        for verdict in attempt.verdicts:
            seen = evidence.get(verdict.evidence)
            what = "".join(_seen_lines(seen, verdict.level)) if seen is not None else ""
            words = f": {quoted_line(verdict.message, chars)}" if verdict.message and verdict.verdict != "pass" else ""
            yield f"{attempt.phase} (attempt {attempt.attempt}) {verdict.gate} {verdict.verdict}{what}{words}"


def _feedback_lines(overview: Overview, chars: int) -> Iterator[str]:
    """Why the work that is open came back, the newest reason of each phase."""
    for attempt in overview.loaded.state.open_attempts:
        if attempt.feedback and attempt.status in {AttemptStatus.READY, AttemptStatus.RUNNING}:
            yield f"{attempt.phase} (attempt {attempt.number}) came back: {quoted_line(attempt.feedback[-1].message, chars)}"


def _seen_lines(evidence: EvidenceRecord, level: str) -> Iterator[str]:
    """Which check, its counts, the files it saw."""
    data = evidence.data
    if "check" in data:
        yield f", check {quoted_line(str(data['check']), 60)}"
    if data.get("exit_code") is not None:
        yield f", exit code {data['exit_code']}"
    if data.get("tests"):
        yield ", tests " + quoted_line(canonical_json(data["tests"]), 120)
    if evidence.tree:
        yield f", tree {evidence.tree[:12]}"
    yield f", level {level}" if level else ""


def _next(overview: Overview) -> list[str]:
    calls = [
        f"- `{move.tool}({', '.join(f'{name}={value!r}' for name, value in move.args.items())})`"
        for move in next_moves(overview)
    ]
    return calls or ["Nothing an agent can do: see Open." if sentences(overview) else "The run is over."]


def _budget(overview: Overview, details: DetailsView) -> Iterator[str]:
    state = overview.loaded.state
    yield f"iteration {state.iteration} of at most {state.spec.max_iterations}"
    yield from usage_lines(details.usage) or ["no model was called by the server"]


def _limit_lines(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[-most:], f"- … and {len(lines) - most} earlier"]


def _day(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='minutes')[:16]}Z"


MAX_BYTES = 8_192
"""Of a page that is read at the beginning of every session."""

_BEGIN = "<!-- Written by wfe-mcp "
_HASH = re.compile(r"\b[0-9a-f]{16}(?= -->\n)")


def mark_page(command: str, text: str) -> str:
    """The page with its mark. ``command``: what writes it, without the program's name."""
    body = f"{text.rstrip()}\n"
    return f"{_BEGIN}{command}; changes here are not read back. {sha256_hex(body)[:16]} -->\n{body}"


def is_ours(page: str) -> bool:
    """Whether wfe-mcp wrote the page, or the page from which it was edited."""
    return page.startswith(_BEGIN)


def is_edited(page: str) -> bool:
    """Whether one of our pages is not as it was written; unknown of those from before the mark had a hash.

    On Windows, git and editors give it other line ends.
    """
    first, _, body = page.replace("\r\n", "\n").partition("\n")
    match = _HASH.search(f"{first}\n")
    return is_ours(page) and match is not None and sha256_hex(body)[:16] != match[0]


def quoted_line(text: str, chars: int) -> str:
    """A text on one line that opens nothing in Markdown; what is longer is cut."""
    return cut(" ".join(clean(text).split()).replace("`", "'").replace("<", "‹").replace("](", "] ("), chars)


def fitting(lines: list[str]) -> str:
    """As many of the lines as fit, and how many do not."""
    size = sum(len(line.encode()) + 1 for line in lines)
    kept = list(lines)
    while size > MAX_BYTES - 80:
        size -= len(kept.pop().encode()) + 1
    left = len(lines) - len(kept)
    return "\n".join([*kept, *(["", f"… and {left} more lines"] if left else [])])
