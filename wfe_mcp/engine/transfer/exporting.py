"""Export of a run as one file.

    rows of one moment ──► intact? ──► without keys ──► logs from the files ──► lines

Rules:
1. Only a run that verify finds intact is exported: the receiver could not tell a broken run from a forged one.
2. No key is exported. A key in hashed content refuses the export; elsewhere it is redacted.
3. Paths are relative to the place where the run was worked.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.core.json_pointer import under
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.transfer.form import LOGS, MAX_BYTES, bundle_lines
from wfe_mcp.store import Tx
from wfe_mcp.store.records.bundles import SECTIONS
from wfe_mcp.store.records.runs import RULES_BEGAN, RunRecord
from wfe_mcp.workspace.files.mirror import log_place
from wfe_mcp.workspace.files.project_files import MAX_FOLDER_BYTES, read_if_there
from wfe_mcp.workspace.system.redaction import SHOWN, without_hidden

MAX_LOG = 256_000
"""Bytes of one check's log that go along, its end: there it says what failed."""

_BOUND = frozenset({"run", "documents", "events", "revisions", "evidence", "attachments"})
"""Sections that hashes name."""

_NAMES_DOCUMENTS = frozenset({"LoopOpened", "RecoveryOpened", "RolledBack", "RunForked", "GatesOpened", "PromptEdited"})
"""Events that name, somewhere inside, the document with the items of a loop or with an edited prompt."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ExportedRun:
    """A run as a bundle: its own row, its place and the rows of each section, as text."""

    run: RunId
    head: Mapping[str, Any]
    place: Mapping[str, str]
    rows: Mapping[str, list[bytes]]

    def lines(self) -> Iterator[bytes]:
        """The lines of the file. They are made as they are asked for: the rows are large enough once."""
        return bundle_lines(self.head, self.place, self.rows)

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""
        return sum(map(len, self.lines()))


def export_run(engine: Engine, run: str) -> ExportedRun:
    """The run with all that is kept of it. Refuses ``conflict`` (it is not intact), ``needs_human`` (it holds a key)."""
    _know_keys(engine)
    with engine.store.read() as tx:
        record = engine.load(tx, run).record
        _refuse_broken(tx, record)
        rows = {
            name: [_checked_row(name, index, row) for index, row in enumerate(_rows(tx, name, record))]
            for name in SECTIONS
        }
        place = place_of(engine, tx, record)
        head = head_of(record)
        _checked_row("run", None, head)
    export = ExportedRun(record.id, head, place, rows | {LOGS: list(_logs(record, rows["evidence"]))})
    if export.size_bytes > MAX_BYTES:
        raise Refused(
            "too_large",
            f"Run {record.id} is larger than the {MAX_BYTES:,} bytes that can be imported.",
            "Copy the whole database instead: wfe-mcp backup",
            run=record.id,
        )
    return export


def named_documents(
    head: Mapping[str, Any], frozen: Mapping[str, Any], events: Iterator[tuple[str, Any]]
) -> Iterator[str]:
    """The sha256 of each document that a run names, in the order in which it names them, perhaps twice."""
    yield from (head[f"{name}_sha256"] for name in ("definition", "spec", "inputs", "frozen"))
    yield from (bundle["sha256"] for bundle in frozen.get("context", ()))
    for type_, payload in events:
        if type_ in _NAMES_DOCUMENTS:
            yield from _named_documents(payload)


def _named_documents(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            if key in {"items", "prompt"} and isinstance(item, str) and _SHA256.fullmatch(item):
                yield item
            else:
                yield from _named_documents(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _named_documents(item)


def place_of(engine: Engine, tx: Tx, record: RunRecord) -> dict[str, str]:
    """Where the run was worked: here, or where it came from."""
    if record.origin_sha256 is not None:
        return dict(tx.documents.load(record.origin_sha256)["place"])
    return {"project": engine.project.key, "root": str(engine.root), "worktree": record.worktree}


def _rows(tx: Tx, section: str, record: RunRecord) -> Iterator[dict[str, Any]]:
    if section == "documents":
        events = ((event.type, event.payload) for event in tx.events.log(record.id))
        frozen = tx.documents.load(record.frozen_sha256)
        named = dict.fromkeys(named_documents(head_of(record), frozen, events))
        yield from (tx.bundles.document_row(sha256) for sha256 in named)
        return
    for row in tx.bundles.rows(section, record.id):
        yield _with_log_path(record, row) if section == "evidence" else row


def _with_log_path(record: RunRecord, row: dict[str, Any]) -> dict[str, Any]:
    """Evidence with the path of its log relative to the project; without a log outside it."""
    path = row.pop("log_path", None)
    if path is None:
        return row
    wanted = log_place(record.id, row["phase"], row["attempt"], Path(path).name)
    return row | {"log_path": wanted} if Path(path) == Path(record.worktree, wanted) else row


def head_of(record: RunRecord) -> dict[str, Any]:
    """The columns of the run's own row that go out."""
    from wfe_mcp.store.maintenance.bundles import RUN_COLUMNS, row_of

    values = asdict(record)
    return row_of("run", {name: values[name] for name in RUN_COLUMNS})


def _refuse_broken(tx: Tx, record: RunRecord) -> None:
    problems = tx.verification.problems(record.id, rules_began=tx.settings_log.first_noted(*RULES_BEGAN))
    if problems:
        raise Refused(
            "conflict",
            f"Run {record.id} is not what its log says: {problems[0].where}: {problems[0].message}.",
            f"See all of it: wfe-mcp verify {record.id}",
            run=record.id,
        )


def _know_keys(engine: Engine) -> None:
    """Have every key of the configured providers known, so that it is found in any content."""
    from wfe_mcp.engine.models.secrets import key_of
    from wfe_mcp.workspace.config.provider_kinds import facts_of
    from wfe_mcp.workspace.config.provider_tables import kind_of

    for name, provider in engine.settings().settings.providers.items():
        kind = kind_of(name, provider)
        variable = facts_of(kind).variable if kind else ""
        place = provider.key or (f"env:{variable}" if variable else None)
        if place is not None:
            with suppress(Refused):
                key_of(engine, name, place)


def _checked_row(section: str, index: int | None, row: dict[str, Any]) -> bytes:
    """The row as text, without a key in it."""
    if section == "refused":
        row = row | {"raw": _without_hidden_bytes(row["raw"])}
    text = canonical_json(row)
    shown = without_hidden(text)
    if section == "attachments" and _without_hidden_bytes(row["content"]) != row["content"]:
        shown = ""
    if shown == text:
        return text.encode()
    if section not in _BOUND:
        return shown.encode()
    place = pointer(section) if index is None else pointer(section, index)
    raise Refused(
        "needs_human",
        f"The run holds the key of a provider, at {place}: it is not exported.",
        "Replace the key where it was made, configure the new one, then export again.",
        (Detail(place, "holds a key"),),
    )


def _without_hidden_bytes(encoded: str) -> str:
    text = base64.b64decode(encoded).decode(errors="surrogateescape")
    return base64.b64encode(without_hidden(text).encode(errors="surrogateescape")).decode()


def _logs(record: RunRecord, evidence: list[bytes]) -> Iterator[bytes]:
    seen: set[str] = set()
    for line in evidence:
        row = json.loads(line)
        path = row.get("log_path")
        if path is None or path in seen:
            continue
        seen.add(path)
        with suppress(Refused):  # a link, or far too large: left out
            content = read_if_there(Path(record.worktree), path, MAX_FOLDER_BYTES)
            if content is not None and (record.origin_sha256 or sha256_hex(content) == printed_sha256(row, content)):
                text = _tail_of_log(without_hidden(content.decode(errors="replace")))
                yield canonical_json({"path": path, "text": text}).encode()


def printed_sha256(evidence: Mapping[str, Any], content: bytes) -> str:
    """The sha256 of what the check printed, as its evidence says; that of ``content`` where it says none."""
    recorded = under(evidence["data"], "output").get("sha256")
    return recorded if isinstance(recorded, str) else sha256_hex(content)


def is_whole(text: str) -> bool:
    """Whether a log left as it was printed: not cut, without a key in it, plain UTF-8."""
    return not (text.startswith(_CUT) or SHOWN in text or "\N{REPLACEMENT CHARACTER}" in text)


_CUT = "[cut: the end of "


def _tail_of_log(text: str) -> str:
    """The end of a log, with a line before it that says so; cutting again changes nothing."""
    text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    content = text.encode()
    if len(content) <= MAX_LOG or (text.startswith(_CUT) and len(content) <= MAX_LOG + 100):
        return text
    return f"{_CUT}{len(content):,} bytes]\n{content[-MAX_LOG:].decode(errors='ignore')}"
