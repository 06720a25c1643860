"""Seals of evidence: the key of this machine's wfe-mcp signs each piece of evidence and each verdict that lets a run go on.

    keys/server.key   beside the database, readable by its user alone: Ed25519, the private half
    log of settings   ``ServerKeyMade`` with the public half, when it first signed here

Rules:
1. The code that gathers evidence or judges asks for the seal. What is appended past that code has none, and ``verify`` names it.
2. No child gets the key: not its bytes, its path or an open file. A sandbox hides its folder. A program with the same account
   and no sandbox can read it, as it can read all that wfe-mcp can (SECURITY.md).
3. The seal says in which process it was made. That too is the word of who has the key.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.workspace.system.ed25519 import base64url, key_in, public_half, signature_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from wfe_mcp.core.commands import RecordVerdict
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import EvidenceRecord

log = logging.getLogger(__name__)

MADE = "ServerKeyMade"
"""The settings event that names a public half."""
BEGUN = "EvidenceSealsBegun"
"""The settings event since which evidence in this database has seals."""
FORMAT = "wfe-evidence/1"
SEAL = "seal"
"""The key of the seal in the data of evidence."""
Process = Literal["server", "http", "worker", "page", "command", "again"]
"""Of the agent's client, of ``wfe-mcp server``, ``worker`` and ``ui``, of another command; one that checked again for a person."""


def note_begun(engine: Engine, tx: Tx) -> None:
    """From now on evidence in this database has seals, and events are those of the present rules; what is noted already stays."""
    from wfe_mcp.store.records.runs import RULES_BEGAN

    known = engine.state_of(ServerKey)
    if known.has_begun:
        return
    for began in (RULES_BEGAN, (BEGUN, "")):  # the newer first: where it is noted, so is the other
        if tx.settings_log.first_noted(*began) is not None:
            known.has_begun = began == RULES_BEGAN
            return
        tx.settings_log.note(*began, SYSTEM, engine.clock())


class ServerKey:
    """The key as this engine has read it, and in which process that is."""

    process: Process = "command"
    has_begun = False
    """Whether ``note_begun`` found its notes in this database, whose log loses none."""
    _key: Ed25519PrivateKey | None = None
    _noted = False

    def seal(self, engine: Engine, tx: Tx, facts: Mapping[str, Any], process: Process | None = None) -> dict[str, str]:
        """The seal of ``facts``; empty where the key cannot be read or written, which ``verify`` then names."""
        try:
            public, sign = self.signer(engine, tx)
        except (OSError, ValueError):
            log.exception("evidence has no seal: the server's key cannot be read")
            return {}
        by = process or self.process
        return {"by": by, "key": public, "signature": base64url(sign(_statement(facts, by)))}

    def signer(self, engine: Engine, tx: Tx) -> tuple[str, Callable[[bytes], bytes]]:
        """The public half, base64url, and what signs with the key. OSError, ValueError: it cannot be read or written."""
        key = self._key = self._key or server_key(engine)
        public = public_half(key)
        if not self._noted:
            # What is noted now is gone where this transaction fails: only what is found there counts as noted.
            self._noted = tx.settings_log.first_noted(MADE, public) is not None
            if not self._noted:
                note_begun(engine, tx)
                tx.settings_log.note(MADE, public, SYSTEM, engine.clock())
        return public, key.sign


def sealed_evidence(engine: Engine, tx: Tx, evidence: EvidenceRecord, process: Process | None = None) -> EvidenceRecord:
    """``evidence`` with the seal of its bytes."""
    seal = engine.state_of(ServerKey).seal(engine, tx, evidence_facts(evidence), process)
    return replace(evidence, data=evidence.data | {SEAL: seal})


def verdict_seal(engine: Engine, tx: Tx, run: str, attempt: int, command: RecordVerdict) -> str:
    """The seal of a verdict that has no evidence, as canonical JSON."""
    facts = verdict_facts(run, command.phase, attempt, command)
    return canonical_json(engine.state_of(ServerKey).seal(engine, tx, facts))


def evidence_facts(evidence: EvidenceRecord) -> dict[str, Any]:
    """What the seal of evidence is about: all of its row, but where it lies on this machine."""
    data = {name: value for name, value in evidence.data.items() if name != SEAL}
    path = (evidence.log_path or "").replace("\\", "/")
    return {
        "id": evidence.id,
        "run": evidence.run_id,
        "phase": evidence.phase,
        "attempt": evidence.attempt,
        "iteration": evidence.iteration,
        "stage": str(evidence.stage),
        "gate": evidence.gate,
        "kind": evidence.kind,
        "sha256": evidence.sha256,
        "tree": evidence.tree,
        "head": evidence.head,
        "log": path[path.rfind("/.wfe/") + 1 :],
        "data": sha256_hex(canonical_json(data)),
    }


def verdict_facts(run: str, phase: str, attempt: int, verdict: Any) -> dict[str, Any]:
    """What the seal of a verdict is about. ``verdict``: a command to record it, or the verdict that was recorded."""
    return {
        "run": run,
        "phase": phase,
        "attempt": attempt,
        "stage": str(verdict.stage),
        "gate": verdict.gate,
        "outcome": str(verdict.outcome),
        "sha256": verdict.sha256,
        "message": verdict.message,
    }


def holds(seal: Mapping[str, Any], facts: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    """True when one of ``keys`` (public halves) made ``seal`` for ``facts``."""
    key, signature, by = (seal.get(name) for name in ("key", "signature", "by"))
    if not isinstance(key, str) or not isinstance(signature, str) or key not in keys:
        return False
    return signature_holds(key, signature, _statement(facts, str(by)))


def _statement(facts: Mapping[str, Any], by: str) -> bytes:
    return canonical_json({"format": FORMAT, "by": by, "facts": dict(facts)}).encode()


def server_key(engine: Engine) -> Ed25519PrivateKey:
    """The key in its file; made where there is none. OSError, ValueError: it cannot be read or written."""
    return key_in(engine.store.place.parent / "keys" / "server.key")
