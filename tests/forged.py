"""Forges bundles with correct hashes, for import tests."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.engine.transfer.form import PARTS, bundle_lines

Bundle = dict[str, Any]


def signed(content: bytes, change: Callable[[Bundle], object]) -> bytes:
    """The bundle as ``change`` leaves it, with checksums that fit."""
    bundle: Bundle = json.loads(content)
    change(bundle)
    rows = {name: [canonical_json(row).encode() for row in bundle.get(name, ())] for name in PARTS}
    return b"".join(bundle_lines(bundle["run"], bundle["place"], rows))


def chained(bundle: Bundle) -> None:
    """Give every event the hash that fits."""
    before = "0" * 64
    for event in bundle["events"]:
        answer = {key: event[key] for key in ("actor", "assurance", "at", "channel", "payload", "seq", "type")}
        event["prev_hash"] = before
        text = before + canonical_json(answer | {"run": bundle["run"]["id"]})
        event["hash"] = before = hashlib.sha256(text.encode()).hexdigest()
    bundle["run"] |= {"last_hash": before, "last_seq": len(bundle["events"])}


def unnamed(bundle: Bundle) -> None:
    """Make it a log that does not name all its records, as older ones were."""
    bundle["events"][0]["payload"]["names_records"] = False
    chained(bundle)
