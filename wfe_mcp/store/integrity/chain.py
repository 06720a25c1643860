"""The hash chain of events: each hash covers the event and the hash before it.

    hash = sha256(previous hash + canonical JSON of {actor, assurance, at, channel, payload, run, seq, type})

The first event continues GENESIS. The run is in the hash, so that rows cannot move between runs; ``at`` is ISO 8601 in
UTC. Only an anchor reveals a rewritten chain: a (seq, hash) kept outside the database.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import By
from wfe_mcp.store.columns import instant
from wfe_mcp.store.records.runs import Problem

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Link:
    """The hashed fields of one event. ``payload`` is canonical JSON text."""

    run: str
    seq: int
    type: str
    at: datetime
    by: By
    payload: str


@dataclass(frozen=True, slots=True)
class Anchored:
    """An anchor outside the database: event ``seq`` had this hash at ``at``."""

    seq: int
    hash: str
    at: datetime


def link_hash(prev_hash: str, link: Link) -> str:
    """The hash of ``link`` after ``prev_hash``."""
    # Concatenated: the payload is canonical text already, and a specification is large. The keys are in order.
    text = (
        f'{{"actor":{_text(link.by.actor)},"assurance":{int(link.by.assurance)},'
        f'"at":"{instant(link.at).isoformat()}","channel":"{link.by.channel.value}","payload":{link.payload},'
        f'"run":{_text(link.run)},"seq":{link.seq},"type":"{link.type}"}}'
    )
    return sha256_hex(prev_hash + text)


Facts = Mapping[str, object]
"""What a person decided, as part of the statement that their key signs."""
NO_FACTS: Facts = {}


def position(facts: Facts, seq: int, hash_: str, last_seq: int, last_hash: str) -> dict[str, object]:
    """``facts`` with the log's position and hash before the decision (``request``) and after it (``log``)."""
    request: dict[str, object] = {"id": facts.get("request", ""), "seq": seq, "hash": hash_}
    return {**facts, "request": request, "log": {"seq": last_seq, "hash": last_hash}}


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def unlike_anchors(hashes: dict[int, str], anchors: Sequence[Anchored]) -> list[Problem]:
    """The first event that differs from its anchor. ``hashes``: the existing events' hashes, by number."""
    wrong = [anchor for anchor in anchors if hashes.get(anchor.seq) != anchor.hash]
    if not wrong:
        return []
    last = max(hashes, default=0)
    first = min(wrong, key=lambda anchor: anchor.seq)
    if first.seq > last:
        message = f"event {first.seq} was anchored, the log ends with {last}"
        return [Problem("anchor", message, first.seq, "tail_cut", first.at)]
    message = f"event {first.seq} is not the one that was anchored"
    return [Problem("anchor", message, first.seq, "chain_rewritten", first.at)]
