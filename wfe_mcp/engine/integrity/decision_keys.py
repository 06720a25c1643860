"""Keys of decisions: which ones count for a project's runs and for the settings, since when, and what is wrong with them.

pinned   by the project where it pins keys that are trusted, else by the database; the settings go by the database's
began    the ends of all logs when signing began
retired  keys that were given up (``pin_reset.py``), for one that counts
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.engine.approvals.approvers import PinnedChain, approvers_here, person_keys, trusted_chain
from wfe_mcp.engine.approvals.pin import BEGAN, pinned_key
from wfe_mcp.engine.approvals.pin_reset import RetiredKey, retired_keys
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.workspace.system.anchors import pin_file, pinned_beside


@dataclass(frozen=True, slots=True)
class Began:
    """The ends of the logs when signing began. ``is_known``: it did."""

    is_known: bool = False
    key: str = ""
    runs: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    settings: tuple[int, str] = (0, "")


@dataclass(frozen=True, slots=True)
class DecisionKeys:
    """The keys that count, by fingerprint, for runs and for settings; the retired ones, oldest first; what is wrong with them.

    ``chain``: the keys of ``approvers.json``; None when it is void.
    """

    chain: PinnedChain | None
    began: Began
    of_runs: dict[str, str]
    of_settings: dict[str, str]
    retired: tuple[RetiredKey, ...]
    findings: tuple[Discrepancy, ...]

    def retired_for(self, pinned: Mapping[str, str]) -> list[RetiredKey]:
        """The keys that were given up for one of ``pinned``: that one signed for it."""
        known, keys = {*pinned}, list["RetiredKey"]()
        for key in reversed(self.retired):
            if key.successor in known:
                known.add(key.key)
                keys.append(key)
        return keys


def decision_keys(engine: Engine, tx: Tx, anchored: Iterable[str] = (), approver: str = "") -> DecisionKeys:
    """Those of now. ``anchored`` and ``approver``: as in ``audit_settings``."""
    began, chain, retired = _began(tx), _chain(engine), tuple(retired_keys(tx))
    # The settings are those of the whole database, whatever keys this project pins.
    key = pinned_key(tx)
    here = {} if key is None else {key.key: key.public_key}
    of_runs = (person_keys(trusted_chain(tx, engine.project_id, chain)) if chain is not None else {}) or here
    findings = [*_keys_differ(engine, tx, began, anchored, {key.key for key in retired})]
    if approver:
        findings += _faults_of_approver(of_runs, began, approver)
    return DecisionKeys(chain, began, _only(of_runs, approver), _only(here, approver), retired, tuple(findings))


def _began(tx: Tx) -> Began:
    try:
        stored: dict[str, Any] = json.loads(tx.secrets.get(BEGAN) or "{}")
        runs = {str(run): (int(seq), str(hash_)) for run, (seq, hash_) in stored["runs"].items()}
        seq, hash_ = stored["settings"]
        return Began(True, str(stored["key"]), runs, (int(seq), str(hash_)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Began()


def _chain(engine: Engine) -> PinnedChain | None:
    """The keys of ``approvers.json``; None when it is void, which ``verify`` reports for what depends on it."""
    try:
        return approvers_here(engine.root)
    except Refused:
        return None


def _only(pinned: dict[str, str], approver: str) -> dict[str, str]:
    return {key: public for key, public in pinned.items() if key.startswith(approver)}


def _keys_differ(
    engine: Engine, tx: Tx, began: Began, anchored: Iterable[str], retired: set[str]
) -> Iterator[Discrepancy]:
    here, beside = pinned_key(tx), pinned_beside(engine.store.place)
    where = str(pin_file(engine.store.place))
    if beside and (here is None or not began.is_known):
        yield Discrepancy(
            "signing_denied", where, "a key is pinned beside the database, and the database knows of no signing"
        )
    elif here is not None and beside and here.public_key not in beside:
        yield Discrepancy(
            "key_swapped", where, f"the database pins the key {here.key[:16]}, which is not pinned beside it"
        )
    if here is not None and began.is_known and began.key not in {here.key, *retired}:
        yield Discrepancy(
            "key_swapped", "secret 'pin'", f"signing began with the key {began.key[:16]}, and {here.key[:16]} is pinned"
        )
    for key in sorted({key for key in anchored if key} - ({here.key, *retired} if here is not None else set())):
        yield Discrepancy(
            "key_swapped", "anchors", f"the key {key[:16]} is anchored, and another one or none is pinned"
        )


def _faults_of_approver(pinned: dict[str, str], began: Began, approver: str) -> Iterator[Discrepancy]:
    if not began.is_known:
        yield Discrepancy("signing_denied", "secret 'signing'", "no key has ever signed in this database")
    if not any(key.startswith(approver) for key in pinned):
        known = ", ".join(key[:16] for key in pinned) or "none"
        yield Discrepancy("approver_unknown", "pinned keys", f"the key {approver[:16]} is not pinned; pinned: {known}")
