"""Search entries: the rows that the index covers, and the searchable text of each.

    run        its title, template and inputs             artifact   every text in the revision, and its note
    event      reasons, comments, verdicts, feedback      decision   actor, verdict, comment
    finding    of opinions, of artifacts with ``findings``, of scanners' reports in the evidence
    blocker    what a recovery found to be in the way     attachment  the name and note of a file, and its text
    work_item  title, description, criteria, tags, paths

Rules:
1. Entries are a pure function of the row: removing a row from the index needs the same entries again. A change to these
   functions must raise ``VERSION``; the index is then rebuilt.
2. Refused and unstored text is not indexed. Redacted text stays redacted.
3. An event without text of its own is not indexed: ``log`` shows it.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.findings import SEVERITIES
from wfe_mcp.core.items import Item, load_item
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.texts import event_words
from wfe_mcp.store.records.calls import OpinionRecord
from wfe_mcp.store.records.runs import AttachmentRecord, DecisionRecord, EvidenceRecord, ItemRow, RevisionRecord
from wfe_mcp.store.records.search import Kind
from wfe_mcp.store.words.query import PlacedText, texts_of

VERSION = 3
ITEMS = "item"
"""The source of work items."""

ATTACHED_BYTES = 20_000
"""So much of an attached text is indexed."""
_EVENT_WORDS = ("reason", "comment", "fault")


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """One search entry."""

    kind: Kind
    source: str
    ref: str
    """Its row within ``source``."""
    at: datetime
    title: str
    """Its name; matches there come first."""
    texts: tuple[PlacedText, ...]
    """Its text."""
    part: int = 0
    """Its place in that row."""
    label: str = ""
    phase: PhasePath | None = None
    attempt: int | None = None
    artifact: tuple[str, int] | None = None
    """Name and revision."""


def of_run(run: Any, inputs: Mapping[str, Any]) -> Iterator[SearchEntry]:
    """The entry of a run (its record, or a row with these fields): its title, template and inputs."""
    named = " ".join(filter(None, (run.title, run.template, run.external_id, run.triggered_by)))
    texts = (("", run.title), *texts_of(inputs))
    yield SearchEntry(Kind.RUN, "run", run.id, run.created_at, named, texts, label=run.title)


def of_revision(row_id: int, revision: RevisionRecord) -> Iterator[SearchEntry]:
    """The entries of an artifact and of the findings that it lists."""
    content = json.loads(revision.content)
    note = (("", revision.note),) if revision.note else ()
    where = (revision.phase, revision.attempt, (revision.name, revision.revision))
    yield SearchEntry(
        Kind.ARTIFACT,
        "revision",
        str(row_id),
        revision.at,
        f"{revision.name} {revision.phase}",
        (*texts_of(content), *note),
        0,
        f"{revision.name}, revision {revision.revision}",
        *where,
    )
    findings = _findings(content, "/findings")
    yield from _finding_entries("revision", str(row_id), revision.at, findings, revision.name, *where)


def of_event(seq: int, type_: str, at: datetime, payload: Mapping[str, Any]) -> Iterator[SearchEntry]:
    """The entry of an event, if it has text."""
    if type_ == "BlockerFound":
        yield _blocker(seq, at, payload)
        return
    verdict: Mapping[str, Any] = payload.get("verdict") or {}
    notes: list[Mapping[str, Any]] = payload.get("feedback") or []
    candidates = [payload.get(key) for key in _EVENT_WORDS] + [verdict.get("message")]
    candidates += [note.get("message") for note in notes]
    texts = tuple(("", text) for text in candidates if isinstance(text, str) and text)
    if texts:
        phase = payload.get("phase")
        yield SearchEntry(
            Kind.EVENT,
            "event",
            str(seq),
            at,
            f"{type_} {phase or ''}",
            texts,
            0,
            f"{event_words(type_)}, event {seq}",
            PhasePath(phase) if phase else None,
            payload.get("attempt"),
        )


def _blocker(seq: int, at: datetime, payload: Mapping[str, Any]) -> SearchEntry:
    name, phase = payload["fingerprint"], PhasePath(payload["phase"])
    texts = (("", text) for text in (name, payload["cause"], payload["next_step"]) if text)
    title = f"{name} {payload['kind']} {phase}"
    return SearchEntry(
        Kind.BLOCKER, "event", str(seq), at, title, tuple(texts), 0, f"blocker {name}", phase, payload["attempt"]
    )


def of_attachment(attachment: AttachmentRecord) -> Iterator[SearchEntry]:
    """The entry of an attached file: its name, its note, and the beginning of a text."""
    text = attachment.content[:ATTACHED_BYTES].decode(errors="ignore") if attachment.media_type == "text/plain" else ""
    texts = tuple(("", words) for words in (attachment.name, attachment.note, text) if words)
    yield SearchEntry(
        Kind.ATTACHMENT,
        "attachment",
        attachment.id,
        attachment.at,
        f"{attachment.name} {attachment.phase}",
        texts,
        0,
        f"attached file {attachment.name}",
        attachment.phase,
        attachment.attempt,
        (f"attachment:{attachment.number}", 0),
    )


def of_decision(request: str, phase: PhasePath, attempt: int, decision: DecisionRecord) -> Iterator[SearchEntry]:
    """The entry of a person's decision."""
    outcome = "approved" if decision.approved else "rejected"
    texts = (("", decision.comment or f"{outcome} by {decision.actor}, without a comment"),)
    yield SearchEntry(
        Kind.DECISION,
        "decision",
        request,
        decision.at,
        f"{outcome} {decision.actor} {phase}",
        texts,
        0,
        f"{outcome} by {decision.actor}",
        phase,
        attempt,
    )


def of_item(project_id: str, item: Item, seq: int, at: datetime) -> SearchEntry:
    """The entry of a work item as it is after event ``seq`` of its project's log, at ``at``."""
    texts = (
        item.body,
        *item.criteria,
        item.reason,
        item.source,
        *item.scopes,
        *item.tags,
        *(f.name for f in item.files),
    )
    return SearchEntry(
        Kind.WORK_ITEM,
        ITEMS,
        f"{project_id}/{item.id}/{seq}",
        at,
        f"{item.id} {item.title} {item.kind}",
        tuple(("", text) for text in (item.title, *texts) if text),
        label=f"{item.id} {item.title}",
    )


def of_item_row(row: ItemRow) -> SearchEntry:
    """The entry of a work item as it is."""
    return of_item(row.project_id, load_item(f"W-{row.number}", json.loads(row.content)), row.last_seq, row.changed_at)


def of_opinion(opinion: OpinionRecord) -> Iterator[SearchEntry]:
    """The entries of an opinion and of each of its findings."""
    by, where = f"opinion of {opinion.reviewer}", (opinion.phase, opinion.attempt)
    whole = tuple(text for key in ("summary", "suggestion") for text in texts_of(opinion.value.get(key)))
    yield SearchEntry(
        Kind.FINDING,
        "opinion",
        opinion.id,
        opinion.at,
        f"opinion {opinion.reviewer} {opinion.verdict}",
        whole or (("", opinion.verdict),),
        0,
        f"{by}: {opinion.verdict}",
        *where,
    )
    yield from _finding_entries("opinion", opinion.id, opinion.at, _findings(opinion.value, ""), by, *where)


def of_evidence(evidence: EvidenceRecord) -> Iterator[SearchEntry]:
    """The entries of a scanner's findings."""
    report: object = evidence.data.get("security")
    findings = _findings(report, "")
    where = (evidence.phase, evidence.attempt)
    yield from _finding_entries("evidence", evidence.id, evidence.at, findings, "a scanner", *where)


def _findings(value: object, pointer: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The findings in a value, each with its pointer: every object with a title counts."""
    listed = cast("dict[str, Any]", value).get("findings") if isinstance(value, dict) else None
    many = cast("list[object]", listed) if isinstance(listed, list) else []
    dicts = [
        (number, cast("dict[str, Any]", finding)) for number, finding in enumerate(many) if isinstance(finding, dict)
    ]
    return [(f"{pointer}/{number}" if pointer else "", finding) for number, finding in dicts if finding.get("title")]


def _finding_entries(
    source: str,
    ref: str,
    at: datetime,
    found: list[tuple[str, Mapping[str, Any]]],
    by: str,
    phase: PhasePath | None,
    attempt: int | None,
    artifact: tuple[str, int] | None = None,
) -> Iterator[SearchEntry]:
    for part, (pointer, finding) in enumerate(found, start=1):
        severity = finding.get("severity")
        label = f"finding of {by}" + (f" ({severity})" if severity in SEVERITIES else "")
        title = f"{finding['title']} {finding.get('file') or ''}"
        ordered = {key: finding.get(key) for key in ("title", "file", "detail", "recommendation")} | dict(finding)
        texts = tuple((pointer, text) for _, text in texts_of(ordered))
        yield SearchEntry(Kind.FINDING, source, ref, at, title, texts, part, label, phase, attempt, artifact)
