"""What the logs beside those of runs have in common: the settings', and that of each project's work items.

Rules:
1. An event has the number after that of its predecessor, the hash of that one, and its own hash over both and its content.
2. What a person adds is followed by an event of the type ``SIGNED`` with the signature of their key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from sqlalchemy import Connection, Executable

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import By, Person
from wfe_mcp.store.integrity.record_seals import GENESIS, Facts, Link, link_hash, position
from wfe_mcp.store.records.runs import ItemEventRecord, SettingEvent

SIGNED = "DecisionSigned"
"""The type of the event that signs the events before it; its content is the JSON of a ``Signature``."""

BEGIN = (0, GENESIS)
"""The end of a log without events."""


def end_of(connection: Connection, last: Executable, values: Mapping[str, str] | None = None) -> tuple[int, str]:
    """The number and the hash of the event that ``last`` finds; BEGIN where it finds none."""
    row = connection.execute(last, values).first()
    return (int(row.seq), str(row.hash)) if row else BEGIN


def event_hash(log: str, event: SettingEvent | ItemEventRecord, content: str) -> str:
    """The hash of an event. ``log``: what has the place of a run's id; ``content``: canonical text."""
    by = By(event.actor, event.channel, event.assurance)
    return link_hash(event.prev_hash, Link(log, event.seq, event.type, event.at, by, content))


def misplaced_events(
    event: SettingEvent | ItemEventRecord, before: tuple[int, str], hash_: str, where: str, code: str
) -> Iterator[Discrepancy]:
    """The problem of an event that is not what followed ``before``. ``hash_``: the one that fits its content."""
    if (event.seq - 1, event.prev_hash, event.hash) != (*before, hash_):
        yield Discrepancy(
            code, where, f"event {event.seq} was changed, moved or taken out", seq=event.seq, since=event.at
        )


def signature(by: Person, facts: Facts, before: tuple[int, str], after: tuple[int, str]) -> str | None:
    """What the event holds that signs all between ``before`` and ``after``; None where no key is unlocked."""
    signed = by.sign(position(facts, *before, *after))
    return None if signed is None else canonical_json(asdict(signed))
