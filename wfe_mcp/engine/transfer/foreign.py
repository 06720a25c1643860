"""Conversion of another system's record into a run.

    phases as they were worked ──► a definition ──► the pure core, at their own times ──► the lines of a bundle

Rules:
1. The result is a bundle: its lines are checked like those of any bundle.
2. The same source is the same run: its id, its events and their times come from the source alone.
3. No approval is imported. A phase that was submitted and not accepted there awaits approval here, and the run of
   unfinished work is cancelled.
"""

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Any

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.canonical import canonical_json, sha256_hex, sha256_of
from wfe_mcp.core.commands import Cancel, Command, StartPhase, StartRun, Submit
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.decide import decide
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.events import Event
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import Assurance, By, Channel, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.transfer.form import PARTS, BundleLines, bundle_lines, read_lines

_VERSION = "1.0.0"

_FROZEN: dict[str, Any] = {
    "checks": {},
    "context": [],
    "env": {},
    "hash_prompts": False,
    "http_allow": [],
    "plugins": {},
    "providers": {},
    "roles": {},
    "servers": {},
    "shell": False,
}
"""What the run may use: nothing."""


@dataclass(frozen=True, slots=True)
class ForeignPhase:
    """One phase as it was worked there. ``content`` None: nothing was submitted; ``source``: its place there."""

    id: str
    title: str
    prompt: str
    source: str
    at: datetime
    schema: str = "markdown_doc@1"
    content: dict[str, Any] | None = None
    is_accepted: bool = True


@dataclass(frozen=True, slots=True)
class Foreign:
    """What another system recorded."""

    kind: str
    template: str
    title: str
    name: str
    root: str
    inputs: dict[str, Any]
    """What of it belongs to no phase, whole."""
    phases: Sequence[ForeignPhase]
    began: datetime
    ended: datetime
    sha256: str
    """Of all that was read."""
    left_open: str = ""
    """Why it is not at its end; empty when it is."""
    statements: tuple[str, ...] = ()
    """What it claims, and where it contradicts itself."""
    not_carried: tuple[Detail, ...] = ()
    """What was left out, by file or pointer."""

    @property
    def origin(self) -> dict[str, Any]:
        """What the run's origin says besides who brought it in."""
        lost = [{"path": detail.path, "message": detail.message} for detail in self.not_carried]
        return {"kind": self.kind, "sha256": self.sha256, "statements": list(self.statements), "not_carried": lost}


def utc(at: datetime) -> datetime:
    """A time as it was written there: one without a zone is UTC. ValueError outside of the years that can be kept."""
    if not 1970 <= at.year <= 9000:
        raise ValueError("the year is not between 1970 and 9000")
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def lines_of(foreign: Foreign) -> BundleLines:
    """The run as the lines of a bundle. Refuses what no artifact could hold, at its file or pointer."""
    for phase in foreign.phases:
        _refuse_unkept(phase)
    return read_lines(io.BytesIO(b"".join(_Bundle(foreign).lines())))


def _refuse_unkept(phase: ForeignPhase) -> None:
    if phase.content is None:
        return
    try:
        faults = validate(phase.schema, phase.content).faults
    except Refused as no:
        raise Refused(
            no.code, f"{phase.source} is refused: {no.message}", "Nothing was stored. " + no.hint, no.details
        ) from None
    if faults:
        first = faults[0]
        raise Refused(
            "invalid_artifact",
            f"{phase.source} is refused at {first.path}: {first.message}",
            "Nothing was stored. Fix the file, then import it again.",
            tuple(faults),
        )


class _Bundle:
    def __init__(self, foreign: Foreign) -> None:
        self._found = foreign
        self._id = RunId(f"{foreign.name}-{foreign.sha256[:12]}")
        self._by = By(foreign.kind, Channel.SYSTEM, Assurance.AGENT)
        self._state = RunState()
        self._events: list[tuple[datetime, Event]] = []
        self._revisions: list[dict[str, Any]] = []

    def lines(self) -> Iterator[bytes]:
        from wfe_mcp.engine.kernel.template_cache import compile_template
        from wfe_mcp.engine.transfer.exporting import head_of
        from wfe_mcp.store import serialization as codec
        from wfe_mcp.store.maintenance.bundles import row_of
        from wfe_mcp.store.records.runs import RunRecord

        foreign = self._found
        definition = _definition(foreign)
        plan = compile_template(definition)
        self._work(StartRun(spec=plan.spec, by=self._by, at=foreign.began))
        for phase in foreign.phases:
            self._work_phase(phase)
        if foreign.left_open:
            self._work(Cancel(reason=foreign.left_open[:1_000], by=self._by, at=foreign.ended))
        events = list(self._chain_events())
        documents = [
            canonical_json(definition),
            codec.spec_text(plan.spec),
            canonical_json(foreign.inputs),
            canonical_json(_FROZEN | {"engine": foreign.kind}),
        ]
        shas = [sha256_hex(text) for text in documents]
        state, last = self._state, self._events[-1][0]
        record = RunRecord(
            id=self._id,
            project_id="",
            worktree="",
            template=foreign.template,
            template_version=_VERSION,
            template_sha256=plan.sha256,
            definition_sha256=shas[0],
            spec_sha256=shas[1],
            inputs_sha256=shas[2],
            frozen_sha256=shas[3],
            title=foreign.title,
            driver=None,
            triggered_by="",
            external_id="",
            status=state.status,
            iteration=state.iteration,
            auto=state.auto,
            tainted=state.tainted,
            revision=1,
            last_seq=len(events),
            last_hash=events[-1]["hash"],
            artifact_count=len(self._revisions),
            created_at=foreign.began,
            updated_at=last,
            ended_at=last,
            archived_at=None,
        )
        named = dict(zip(shas, documents, strict=True))
        rows = {name: list[bytes]() for name in PARTS}
        rows["documents"] = [
            b'{"content":%b,"sha256":"%b"}' % (text.encode(), sha.encode()) for sha, text in named.items()
        ]
        rows["events"] = [canonical_json(row_of("events", event)).encode() for event in events]
        rows["revisions"] = [canonical_json(row_of("revisions", revision)).encode() for revision in self._revisions]
        return bundle_lines(head_of(record), {"project": "", "root": foreign.root, "worktree": ""}, rows)

    def _work(self, command: Command) -> None:
        events = decide(self._state, command)
        self._state = reduce(evolve, events, self._state)
        self._events += [(command.at, event) for event in events]

    def _work_phase(self, phase: ForeignPhase) -> None:
        path = PhasePath(phase.id)
        self._work(StartPhase(phase=path, holder=self._found.kind, by=self._by, at=phase.at))
        if phase.content is None:
            return
        text = canonical_json(phase.content)
        self._revisions.append(
            {
                "phase": phase.id,
                "attempt": 1,
                "iteration": 1,
                "name": phase.id,
                "revision": 1,
                "schema_name": phase.schema,
                "content": text,
                "sha256": sha256_hex(text),
                "size_bytes": len(text.encode()),
                "source": "submit",
                "note": phase.source,
                "at": phase.at,
                "sealed_at": phase.at if phase.is_accepted else None,
            }
        )
        self._work(Submit(phase=path, revision=1, sha256=sha256_of(phase.content), by=self._by, at=phase.at))

    def _chain_events(self) -> Iterator[dict[str, Any]]:
        from wfe_mcp.store import serialization as codec
        from wfe_mcp.store.integrity.record_seals import GENESIS, Link, link_hash

        before, by = GENESIS, self._by
        for seq, (at, event) in enumerate(self._events, 1):
            type_, payload = type(event).__name__, codec.payload_of(event)
            now = link_hash(before, Link(self._id, seq, type_, at, by, payload))
            yield {
                "seq": seq,
                "type": type_,
                "at": at,
                "actor": by.actor,
                "channel": by.channel,
                "assurance": by.assurance,
                "payload": payload,
                "prev_hash": before,
                "hash": now,
            }
            before = now


def _definition(foreign: Foreign) -> dict[str, Any]:
    """A template of the phases that there were, in their order; nothing is judged, as nothing of it can be repeated."""
    phases: list[dict[str, Any]] = []
    for phase in foreign.phases:
        gates = [] if phase.is_accepted or phase.content is None else [{"kind": "approval"}]
        phases.append(
            {
                "id": phase.id,
                "title": phase.title,
                "prompt": phase.prompt,
                "gates": gates,
                "output": {"artifact": phase.id, "schema": phase.schema},
            }
        )
    return {
        "format": "wfe/1",
        "name": foreign.template,
        "version": _VERSION,
        "title": f"Imported from {foreign.kind}",
        "inputs": {"type": "object"},
        "phases": phases,
    }
