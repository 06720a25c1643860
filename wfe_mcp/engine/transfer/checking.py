"""Checks of a bundle before import.

    shape (form) ──► rows (rows) ──► documents ──► chain ──► replay ──► what refers to what ──► checksums

Rules:
1. The file is untrusted until all of it is checked. The first fault refuses it, with its pointer, what was expected and
   what was found.
2. A wrong row is reported before the wrong checksum of its section.
3. It proves that the run is what its log says, not who worked it: a forged new chain passes. That is why an
   imported run never continues, and nothing in it counts for a gate here (docs/explanation/threat-model.md).
"""

import re
from collections.abc import Iterator
from typing import Any

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, pointer
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import By, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate, compile_template
from wfe_mcp.engine.transfer.exporting import is_whole, named_documents, printed_sha256
from wfe_mcp.engine.transfer.form import PARTS, PLACE, BundleLines, refuse, validate_row
from wfe_mcp.store.integrity.record_seals import GENESIS, Link, link_hash
from wfe_mcp.workspace.files.mirror import log_place

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LOG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")

_OTHERS = tuple(name for name in PARTS if name not in {"documents", "events", "revisions"})

_FIRST = frozenset({"RunStarted", "RunForked"})

_LoggedEvent = tuple[str, dict[str, Any]]
"""An event: its type and its payload."""


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """A checked run, ready to be stored. ``head``: the columns of its own row."""

    head: dict[str, Any]
    place: dict[str, str]
    state: RunState
    lines: BundleLines

    @property
    def run(self) -> RunId:
        """Its id, which its chain contains."""
        return RunId(self.head["id"])

    def rows(self, section: str) -> Iterator[dict[str, Any]]:
        """The rows of a section, validated as they are read: only the lines are held."""
        return (validate_row(section, line, index) for index, line in enumerate(self.lines.rows[section]))


def check(lines: BundleLines) -> CheckedRun:
    """The run in ``lines``. Refuses ``invalid_artifact`` at the first place that is wrong."""
    head, place = validate_row("run", lines.run), validate_row(PLACE, lines.place)
    if not _RUN_ID.fullmatch(head["id"]):
        refuse("/run/id", "is no id of a run", "letters, digits, - and _", head["id"])
    return _Check(CheckedRun(head, place, RunState(), lines)).all()


class _Check:
    def __init__(self, checked_run: CheckedRun) -> None:
        self._found = checked_run
        self._head = checked_run.head
        self._revisions: dict[tuple[str, int], tuple[str, str]] = {}
        self._asked: dict[str, str] = {}
        self._evidence: dict[str, str] = {}
        self._logs: dict[str, dict[str, Any]] = {}

    def all(self) -> CheckedRun:
        """Every step, each on what the ones before have shown to be right."""
        documents = self._documents()
        events = list(self._chain())
        state = self._replay(events)
        self._check_named_documents(documents, events)
        self._spec(documents, state)
        self._revisions_are_right(state)
        self._rest(state)
        self._events_refer(events)
        if self._found.lines.fault is not None:
            raise self._found.lines.fault
        return CheckedRun(self._head, self._found.place, state, self._found.lines)

    def _documents(self) -> dict[str, Any]:
        documents: dict[str, Any] = {}
        for index, row in enumerate(self._found.rows("documents")):
            at = pointer("documents", index, "sha256")
            actual = sha256_hex(canonical_json(row["content"]))
            if row["sha256"] != actual:
                refuse(at, "is not that of the content", row["sha256"], actual)
            if actual in documents:
                refuse(at, "stands there twice", "once", actual)
            documents[actual] = row["content"]
        for name in ("definition", "spec", "inputs", "frozen"):
            at, sha256 = f"/run/{name}_sha256", self._head[f"{name}_sha256"]
            if sha256 not in documents:
                refuse(at, "names no document of the bundle", "one of /documents", sha256)
            if not isinstance(documents[sha256], dict):
                refuse(at, "names a document that is no object", "an object", "another value")
        return documents

    def _chain(self) -> Iterator[_LoggedEvent]:
        before = GENESIS
        count = 0
        for index, row in enumerate(self._found.rows("events")):
            at = pointer("events", index)
            count = index + 1
            if row["seq"] != count:
                refuse(f"{at}/seq", "is out of order", count, row["seq"])
            if row["prev_hash"] != before:
                refuse(f"{at}/prev_hash", "does not continue the event before", before, row["prev_hash"])
            by = By(row["actor"], row["channel"], row["assurance"])
            link = Link(self._head["id"], count, row["type"], row["at"], by, canonical_json(row["payload"]))
            before = link_hash(before, link)
            if row["hash"] != before:
                refuse(f"{at}/hash", "is not that of the event", before, row["hash"])
            yield row["type"], row["payload"]
        if (self._head["last_seq"], self._head["last_hash"]) != (count, before):
            refuse("/run/last_hash", f"is not that of the last event, number {count}", before, self._head["last_hash"])

    def _replay(self, events: list[_LoggedEvent]) -> RunState:
        from wfe_mcp.store import serialization as codec

        state = RunState()
        for index, (type_, payload) in enumerate(events):
            at = pointer("events", index)
            if (index == 0) != (type_ in _FIRST):
                refuse(f"{at}/type", "is out of place", "RunStarted or RunForked first, and once", type_)
            try:
                state = evolve(state, codec.event_of(type_, canonical_json(payload)))
            except Exception as error:  # an event that nothing of ours wrote can fail in any way
                got = f"{type_}: {error!r}"[:300]
                refuse(at, "is no event that can follow here", "an event of this version", got)
        if not events:
            refuse("/events", "is empty", "RunStarted first", "nothing")
        for name in ("status", "iteration", "auto", "tainted"):
            if self._head[name] != getattr(state, name):
                refuse(f"/run/{name}", "is not what the events lead to", getattr(state, name), self._head[name])
        return state

    def _check_named_documents(self, documents: dict[str, Any], events: list[_LoggedEvent]) -> None:
        frozen = documents[self._head["frozen_sha256"]]
        try:
            named = dict.fromkeys(named_documents(self._head, frozen, iter(events)))
        except (KeyError, TypeError, AttributeError) as error:
            refuse("/documents", "holds frozen settings of no known form", "context bundles with a sha256", repr(error))
        if list(documents) != list(named):
            wanted = next((sha256 for sha256 in named if sha256 not in documents), plural(len(named), "document"))
            got = plural(len(documents), "document")
            refuse("/documents", "holds other documents than the run names", wanted, got)

    def _spec(self, documents: dict[str, Any], state: RunState) -> None:
        """The specification in the log is the kept one, and the one that the definition gives."""
        from wfe_mcp.store import serialization as codec

        head = self._head
        if codec.spec_of(canonical_json(documents[head["spec_sha256"]])) != state.spec:
            refuse("/run/spec_sha256", "names another specification than the first event", "the same", "another")
        definition = documents[head["definition_sha256"]]
        plan = _plan(definition)
        for at, name in (("template", "name"), ("template_version", "version")):
            if definition.get(name) != head[at]:
                refuse(f"/run/{at}", "is not what the definition says", definition.get(name), head[at])
        wanted = [_outline(phase) for phase in plan.spec.phases]
        if wanted != [_outline(phase) for phase in state.spec.phases]:
            phases = f"{plural(len(wanted), 'phase')} as defined"
            refuse("/events/0/payload/spec", "is not the specification of the definition", phases, "others")

    def _revisions_are_right(self, state: RunState) -> None:
        """Every revision has its sha256 and its number."""
        numbers: dict[str, int] = {}
        for index, row in enumerate(self._found.rows("revisions")):
            at = pointer("revisions", index)
            _attempt(state, at, row)
            content = canonical_json(row["content"])
            if row["sha256"] != sha256_hex(content):
                refuse(f"{at}/sha256", "is not that of the content", row["sha256"], sha256_hex(content))
            if row["size_bytes"] != len(content.encode()):
                refuse(f"{at}/size_bytes", "is not that of the content", len(content.encode()), row["size_bytes"])
            before = numbers.get(row["phase"], 0)
            if row["revision"] <= before:  # a fork may have left some behind
                refuse(f"{at}/revision", f"is out of order in {row['phase']!r}", f"more than {before}", row["revision"])
            numbers[row["phase"]] = row["revision"]
            self._revisions[row["phase"], row["revision"]] = (row["sha256"], at)
        if (count := self._head["artifact_count"]) != len(self._revisions):
            refuse("/run/artifact_count", "is not the number of /revisions", len(self._revisions), count)

    def _rest(self, state: RunState) -> None:
        """What the other sections refer to is there."""
        for section in _OTHERS:
            for index, row in enumerate(self._found.rows(section)):
                at = pointer(section, index)
                _attempt(state, at, row)
                match section:
                    case "evidence":
                        _once(self._evidence, row["id"], at)
                        if row["log_path"] is not None:
                            self._log(f"{at}/log_path", row)
                    case "requests":
                        _once(self._asked, row["id"], at)
                    case "decisions" if row["request_id"] not in self._asked:
                        refuse(
                            f"{at}/request_id", "names no request of the bundle", "one of /requests", row["request_id"]
                        )
                    case "attachments" if row["sha256"] != sha256_hex(row["content"]):
                        refuse(f"{at}/sha256", "is not that of the content", sha256_hex(row["content"]), row["sha256"])
                    case "logs":
                        self._check_printed(at, row)
                    case _:
                        pass

    def _events_refer(self, events: list[_LoggedEvent]) -> None:
        """What the log names is there, with the hash that it names."""
        for index, (type_, payload) in enumerate(events):
            at = pointer("events", index, "payload")
            if type_ in {"RevisionSubmitted", "PhaseForced"} and payload.get("revision"):
                sha256, place = self._revisions.get((payload["phase"], payload["revision"]), (None, ""))
                if sha256 is None:
                    refuse(
                        f"{at}/revision", "names no revision of the bundle", "one of /revisions", payload["revision"]
                    )
                if payload.get("sha256") and sha256 != payload["sha256"]:
                    refuse(f"{place}/sha256", f"is not what event {index + 1} says", payload["sha256"], sha256)
            named = payload["verdict"].get("evidence") if type_ == "GateJudged" else None
            if named and named not in self._evidence:
                refuse(f"{at}/verdict/evidence", "names no evidence of the bundle", "one of /evidence", named)
            if type_ == "ApprovalAsked" and payload["request"] not in self._asked:
                refuse(f"{at}/request", "names no request of the bundle", "one of /requests", payload["request"])

    def _log(self, at: str, evidence: dict[str, Any]) -> None:
        path = evidence["log_path"]
        name = path.rpartition("/")[2]
        wanted = log_place(self._head["id"], evidence["phase"], evidence["attempt"], name)
        if not _LOG_NAME.fullmatch(name) or path != wanted:
            refuse(at, "leads elsewhere", "a file in the evidence folder of the attempt", path)
        self._logs[path] = evidence

    def _check_printed(self, at: str, log: dict[str, Any]) -> None:
        evidence = self._logs.get(log["path"])
        if evidence is None:
            refuse(f"{at}/path", "is the log of no evidence of the bundle", "one of /evidence", log["path"])
        content = log["text"].encode()
        wanted, actual = printed_sha256(evidence, content), sha256_hex(content)
        if wanted != actual and is_whole(log["text"]):
            refuse(f"{at}/text", "is not what the check printed", wanted, actual)


def _attempt(state: RunState, at: str, row: dict[str, Any]) -> None:
    """The phase and attempt of a row are those of the run; some rows belong to none."""
    if row.get("phase") is None:
        return
    tries = state.attempts.get(PhasePath(row["phase"]))
    if tries is None:
        refuse(f"{at}/phase", "is no phase of the run", f"one of {', '.join(state.attempts)}", row["phase"])
    if row["attempt"] is not None and not 1 <= row["attempt"] <= len(tries):
        refuse(f"{at}/attempt", f"is no attempt of {row['phase']!r}", f"1 to {len(tries)}", row["attempt"])


def _once(known: dict[str, str], name: str, at: str) -> None:
    if name in known:
        refuse(f"{at}/id", f"is at {known[name]} already", "an id used once", name)
    known[name] = at


def _plan(definition: dict[str, Any]) -> CompiledTemplate:
    try:
        return compile_template(definition)
    except Refused as no:
        why = f"{no.details[0].path}: {no.details[0].message}" if no.details else no.message
        at, what = "/run/definition_sha256", "names a definition that this version cannot read"
        refuse(at, what, "a wfe/1 template", why)


def _outline(phase: Any) -> tuple[Any, ...]:
    """What views and gates look up by place: it must be the same in the log and in the definition."""
    kinds = tuple(tuple(gate.kind for gate in gates) for gates in (phase.gates_before, phase.gates))
    return (phase.path, phase.kind, phase.parent, *kinds)
