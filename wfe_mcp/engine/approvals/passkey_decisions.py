"""Decisions by passkey: the statement that is to be signed, and the person who signed it.

    an answer   the page shows a request ──► statement, with a nonce ──► the passkey signs its sha256 ──► a ``Person`` ──► decide
    a move      the change of a run is made and rolled back: ``Unsigned`` ──► signed as above ──► the same change again

Rules:
1. The statement is made here, from the stored request and the revision, or from what the change would record, never from what
   a browser sends.
2. The person signs nothing but that decision: another one is refused, whatever it says.
3. A move counts at the place in the log that was signed, and nowhere else: one that has changed meanwhile is signed again.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import canonical_json, signed_text
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import meant_by
from wfe_mcp.core.model import Assurance, Channel, Person, Signature
from wfe_mcp.engine.approvals.approvers import ApproverKey, PinnedChain, Signer, by_passkey, pinned_here
from wfe_mcp.engine.approvals.decide import note_facts
from wfe_mcp.engine.approvals.passkeys import Assertion, verify_assertion
from wfe_mcp.engine.approvals.statements import FIELDS, MORE, PASSKEY, Statement, read_statement
from wfe_mcp.engine.files.tree_binding import code_tree
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import facts_of, run_as_read
from wfe_mcp.store.records.runs import RequestRecord

_COUNT = "passkey:"
"""Followed by the key's id: the last authenticator counter, kept like a secret so that the log records each change."""
_DECIDED = ("kind", "run", "artifact", "files", "decision", "comment", "shown", "target")
"""What a signed decision and the recorded one have in common. The tree may change while the person signs: ``decide``
judges whether that matters."""
_MOVED = ("events", "attached", "replaces")
"""And what a signed move has beside it."""


@dataclass(slots=True, kw_only=True)
class Unsigned(Refused):
    """What a person wants to do in a run, rolled back: one of ``keys`` has to sign ``statement`` first."""

    statement: Statement
    keys: tuple[str, ...]


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
    usable = _usable(_pinned_for(engine, request.run_id), signer)
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
    place = {"id": request.id, "seq": run.last_seq, "hash": run.last_hash}
    return _statement(engine, facts | {"run": run.id}, place), usable


def person_to_ask(engine: Engine, run: str, signer: Signer) -> Person:
    """Who wants to change ``run``, and has signed nothing: the change is rolled back, with ``Unsigned``.

    Only for what does nothing before the transaction that it is signed for. Refuses what ``statement_to_sign`` refuses.
    """
    pinned = _pinned_for(engine, run)
    keys = tuple(key.id for key in _usable(pinned, signer))

    def sign(facts: Mapping[str, object]) -> Signature | None:
        place = cast("dict[str, object]", facts["request"])
        if not facts["decision"]:
            raise Refused("illegal_transition", "There is nothing to sign: the run is so already.", "Load the page.")
        statement = _statement(engine, {**facts, "approvers": pinned.head, "log": {}}, place)
        raise Unsigned(
            "needs_human", "Only a person does this: sign it with your passkey.", statement=statement, keys=keys
        )

    return Person(
        signer.name, Channel.PASSKEY, Assurance.PASSKEY, key=PASSKEY, sign=sign, sign_text=_refuse_text, rehearses=True
    )


def _statement(engine: Engine, facts: Mapping[str, object], place: Mapping[str, object]) -> Statement:
    more = {
        "project": engine.project_id,
        "request": {**place, "nonce": secrets.token_urlsafe(16)},
        "time": engine.clock().isoformat(timespec="seconds"),
        "key": PASSKEY,
    }
    try:
        statement = read_statement(signed_text(FIELDS | dict(facts) | more))
    except ValueError as error:
        raise Refused("bad_argument", f"This cannot be signed: {error}.", "Say it in other words.") from error
    assert statement is not None, "it was made from the fields of a statement"
    return statement


def _usable(pinned: PinnedChain, signer: Signer) -> list[ApproverKey]:
    passkeys = pinned.passkeys_of(signer)
    if not passkeys:
        raise Refused(
            "needs_human",
            f"No passkey that is pinned in this project signs at {signer.site.origin}{signer.name and f' for {signer.name}'}.",
            "Decide where yours was made, or pin one of this address.",
        )
    return [*passkeys.values()]


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
    count = verify_assertion(assertion, statement.values, key.public_key, signer.site, last)
    by = by_passkey(key)
    if count:
        with engine.store.tx() as tx:
            tx.secrets.set(name, str(count), by, engine.clock())
    signature = Signature(signed_text(statement.values), canonical_json(assertion.model_dump()))

    def sign(facts: Mapping[str, object]) -> Signature | None:
        if statement.values["request"]["id"] and facts["kind"] != statement.values["kind"]:
            return None  # what comes before a refusal, such as the revision of an edited file
        _refuse_another(statement, facts)
        return signature

    return Person(by.actor, by.channel, by.assurance, key=key.id, sign=sign, sign_text=_refuse_text)


def _refuse_another(statement: Statement, facts: Mapping[str, object]) -> None:
    """Refuse to record a decision that is not the signed one."""
    place, signed_place = cast("dict[str, object]", facts["request"]), statement.values["request"]
    # A request waits for its answer while the run moves; what a move finds is what it was signed for.
    is_move = not signed_place["id"]
    same = ("id", "seq", "hash") if is_move else ("id",)
    is_asked = all(place[name] == signed_place[name] for name in same)
    empty = FIELDS | MORE
    decided, signed_values = (
        {name: values.get(name, empty[name]) for name in (*_DECIDED, *(_MOVED if is_move else ()))}
        for values in (facts, statement.values)
    )
    if not is_asked or signed_text(decided) != signed_text(signed_values):
        raise Refused(
            "stale_revision",
            "What would be decided is not what the passkey signed.",
            "Load the page and sign what it shows now.",
        )


def _refuse_text(text: str) -> str:
    raise Refused("needs_human", f"This passkey signed one decision, and nothing else: {text[:60]!r}.", "Sign again.")


def _pinned_for(engine: Engine, run: str) -> PinnedChain:
    """The keys that count in the working tree of ``run``."""
    with engine.store.read() as tx:
        return pinned_here(engine, Path(engine.load(tx, run).record.worktree))
