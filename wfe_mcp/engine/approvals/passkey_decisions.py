"""Decisions by passkey: the statement that is to be signed for an answer to a request, and the person who signed it.

    the page shows a request ──► statement, with a nonce ──► the passkey signs its sha256 ──► a ``Person`` ──► decide

Rules:
1. The statement is made here, from the stored request and the revision, never from what a browser sends.
2. The person signs nothing but that decision: another one is refused, whatever it says.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import canonical_json, signed_text
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import meant_by
from wfe_mcp.core.model import Person, Signature
from wfe_mcp.engine.approvals.approvers import ApproverKey, Pinned, Signer, by_passkey, pinned_here
from wfe_mcp.engine.approvals.decide import note_facts
from wfe_mcp.engine.approvals.passkeys import Assertion, signed
from wfe_mcp.engine.approvals.statements import FIELDS, MORE, PASSKEY, Statement, read_statement
from wfe_mcp.engine.files.tree_binding import code_tree
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import facts_of, run_as_read
from wfe_mcp.store.records.approvals import RequestRecord

_COUNT = "passkey:"
"""Followed by the key's id: the last authenticator counter, kept like a secret so that the log records each change."""
_DECIDED = ("kind", "run", "artifact", "files", "decision", "comment", "shown", "target")
"""What a signed decision and the recorded one have in common. The tree may change while the person signs: ``decide``
judges whether that matters."""


def statement_to_sign(
    engine: Engine,
    request: RequestRecord,
    answer: Literal["approve", "reject"],
    signer: Signer,
    *,
    comment: str = "",
    to: str = "",
    shown: str = "",
) -> tuple[Statement, list[ApproverKey]]:
    """The statement to sign for ``answer`` to an open request, and the keys with which ``signer`` may sign it. ``shown``: what the person sees.

    Refuses what ``pinned_here`` refuses, ``needs_human`` without such a key, and ``bad_argument`` for text that cannot be stored.
    """
    usable = _pinned_for(engine, request.run_id).passkeys_of(signer)
    if not usable:
        raise Refused(
            "needs_human",
            f"No passkey that is pinned in this project signs at {signer.site.origin}{signer.name and f' for {signer.name}'}.",
            "Decide where yours was made, or pin one of this address.",
        )
    code = code_tree(engine, request.run_id)
    with engine.store.read() as tx:
        current = run_as_read(engine, tx, request.run_id)
        path, by, at = request.phase, current.by, current.at
        if answer == "approve":
            current.commands = [c.Approve(phase=path, sha256=request.sha256, comment=comment, by=by, at=at)]
        else:
            target = meant_by(current.state.spec, path, to) if to else None
            current.commands = [c.Reject(phase=path, feedback=comment, to=target, by=by, at=at)]
        note_facts(current, path, request.id, shown, code)
        run, facts = current.run, facts_of(current)
    more = {
        "project": engine.project_id,
        "run": run.id,
        "request": {"id": request.id, "seq": run.last_seq, "hash": run.last_hash, "nonce": secrets.token_urlsafe(16)},
        "time": engine.clock().isoformat(timespec="seconds"),
        "key": PASSKEY,
    }
    try:
        made = read_statement(signed_text(FIELDS | facts | more))
    except ValueError as error:
        raise Refused("bad_argument", f"This cannot be signed: {error}.", "Say it in other words.") from error
    assert made is not None, "it was made from the fields of a statement"
    return made, list(usable.values())


def person_by_passkey(engine: Engine, statement: Statement, assertion: Assertion, signer: Signer) -> Person:
    """The person who signed ``statement`` as ``signer``. Refuses ``needs_human``: not signed by a pinned key, or by a clone of one."""
    pinned = _pinned_for(engine, statement.run)
    key = pinned.passkeys_of(signer).get(assertion.id)
    if key is None or pinned.head != statement.values["approvers"]:
        raise Refused(
            "needs_human",
            "This passkey is not pinned in the project as one of yours, or the pinned keys have changed meanwhile.",
            "Load the page and sign with one of them.",
        )
    name = _COUNT + key.id
    with engine.store.read() as tx:
        last = int(tx.secrets.get(name) or 0)
    count = signed(assertion, statement.values, key.public_key, signer.site, last)
    by = by_passkey(key)
    if count:
        with engine.store.tx() as tx:
            tx.secrets.set(name, str(count), by, engine.clock())
    signature = Signature(signed_text(statement.values), canonical_json(assertion.model_dump()))

    def sign(facts: Mapping[str, object]) -> Signature | None:
        if facts["kind"] != statement.values["kind"]:
            return None  # what comes before a refusal, such as the revision of an edited file
        _refuse_another(statement, facts)
        return signature

    return Person(by.actor, by.channel, by.assurance, key=key.id, sign=sign, sign_text=_refuse_text)


def _refuse_another(statement: Statement, facts: Mapping[str, object]) -> None:
    """Refuse to record a decision that is not the signed one."""
    request = cast("dict[str, object]", facts["request"])
    is_asked = request["id"] == statement.values["request"]["id"]
    empty = FIELDS | MORE
    decided, signed_values = (
        {name: one.get(name, empty[name]) for name in _DECIDED} for one in (facts, statement.values)
    )
    if not is_asked or signed_text(decided) != signed_text(signed_values):
        raise Refused(
            "stale_revision",
            "What would be decided is not what the passkey signed.",
            "Load the page and sign what it shows now.",
        )


def _refuse_text(text: str) -> str:
    raise Refused("needs_human", f"This passkey signed one decision, and nothing else: {text[:60]!r}.", "Sign again.")


def _pinned_for(engine: Engine, run: str) -> Pinned:
    """The keys that count in the working tree of ``run``."""
    with engine.store.read() as tx:
        return pinned_here(engine, Path(engine.load(tx, run).record.worktree))
