"""Claims as work items: which checks their tests may name, what evidence may say, and what follows from results.

Rules:
1. A test names a configured check that only looks: none that an environment deploys by, and none that gets a credential.
   Else an agent that adds a claim would run it without the approval that its phase asks for.
2. Evidence is bound to the files as they were when it was given. That it supports or contradicts, only a person says.
3. What contradicts a claim stays until the claim is taken up again; then it has no results. Its evidence goes only with a
   person's move: an agent takes up no claim that a person contradicted, and none before something was done for it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.claims import MOST_EVIDENCE, is_judged, verdict
from wfe_mcp.core.errors import Detail, Refused, nearest_hint, pointer
from wfe_mcp.core.item_states import OVER, VERDICTS, ItemKind, ItemStatus
from wfe_mcp.store.integrity.chained_log import SIGNED
from wfe_mcp.workspace.files.project_files import read_if_there
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.working_tree import SeenFiles

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wfe_mcp.core.items import Item
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.workspace.config.checks import CheckSettings
    from wfe_mcp.workspace.config.settings import Settings

_MOST_BYTES = 10_000_000
_FIXED = ("title", "tests")


def checks_for_claims(settings: Settings) -> dict[str, CheckSettings]:
    """The checks that a test of a claim may name."""
    acting = {
        name for environment in settings.environments.values() for name in (environment.deploy, environment.rollback)
    }
    return {name: check for name, check in settings.checks.items() if name not in acting and not check.credentials}


def newest_settings(engine: Engine, tx: Tx) -> Settings:
    """The configuration that tests of a claim may name checks and gold sets of: also one that waits for trust."""
    loaded = engine.settings(tx)
    return loaded.pending or loaded.settings


def refuse_unknown(engine: Engine, tx: Tx, claim: Item) -> None:
    """Refuse tests that name a check or a gold set which the configuration does not have, or which a claim may not use."""
    settings = newest_settings(engine, tx)
    known = checks_for_claims(settings)
    for number, test in enumerate(claim.tests):
        name = test.get("check")
        if name is not None and name not in known:
            why = "deploys or gets a credential" if name in settings.checks else "is not configured"
            raise _no_name(number, "check", f"names the check {name!r}, which {why}", known, name)
        gold = test.get("gold_set")
        if gold is not None and gold not in settings.claims.gold_sets:
            what = f"names the gold set {gold!r}, which is not configured"
            raise _no_name(number, "gold_set", what, settings.claims.gold_sets, gold)


def _no_name(number: int, key: str, what: str, known: Mapping[str, object], got: str) -> Refused:
    names = sorted(known)
    return Refused(
        "bad_argument",
        f"Test {number + 1} {what}.",
        nearest_hint(got, names, f"Configured: {', '.join(names) or 'none; the user adds it to .wfe/config.toml'}."),
        (Detail(pointer("item", "tests", number, key), "is not known", names, got),),
    )


def refuse_fixed(claim: Item, values: Mapping[str, Any], by: By) -> None:
    """Refuse to change what is claimed or how it is tested. An agent takes it from no item, and no follow-up from it."""
    changed = [name for name in _FIXED if name in values]
    if changed:
        raise Refused(
            "illegal_transition",
            f"The {' and '.join(changed)} of claim {claim.id} cannot be changed: its results are about them.",
            f"Add another claim; the user ends this one: wfe-mcp work edit {claim.id} --status deprecated",
            (Detail(pointer("item", changed[0]), "cannot be changed"),),
        )
    if claim.parent and values.get("parent", claim.parent) != claim.parent and not by.is_human:
        raise Refused(
            "needs_human",
            f"Only a person takes {claim.id} from {claim.parent}: the gates of its runs test the claim.",
            f"Add another claim, or the user says so: wfe-mcp work edit {claim.id} --parent ITEM",
            (Detail(pointer("item", "parent"), "cannot be changed", claim.parent, values["parent"]),),
        )
    gone = [need for need in claim.needs if "needs" in values and need not in values["needs"]]
    if gone and claim.status is ItemStatus.FALSIFIED and not by.is_human:
        raise Refused(
            "needs_human",
            f"Only a person takes {', '.join(gone)} from the follow-ups of the falsified {claim.id}.",
            f"Name {', '.join(gone)} too, or ask the user.",
            (Detail(pointer("item", "needs"), "leaves a follow-up out", list(claim.needs), list(values["needs"])),),
        )


def taken_up(engine: Engine, tx: Tx, claim: Item, by: By) -> dict[str, Any]:
    """What changes in a falsified claim that ``by`` takes up again. Refuses an agent where a person contradicted it, and where
    nothing was done since then.
    """
    if by.is_human:
        return again() | {"evidence": ()}
    if is_contradicted(claim):
        raise Refused(
            "needs_human",
            f"Only a person takes {claim.id} up again: a person contradicted it.",
            f"The user says so in a terminal of their own: wfe-mcp claim retry {claim.id}",
        )
    since = _last_move(engine, tx, claim.id, {ItemStatus.FALSIFIED})
    if all(_last_move(engine, tx, need, OVER) < since for need in claim.needs):
        raise Refused(
            "not_ready",
            f"{', '.join(claim.needs)} {'was' if len(claim.needs) == 1 else 'were'} over before {claim.id} was falsified.",
            f"Name what has to be done for it: wfe-mcp claim follow-up {claim.id} ITEM",
            (Detail(pointer("item", "needs"), "was over before", "an open item", list(claim.needs)),),
        )
    return again()


def is_contradicted(claim: Item) -> bool:
    """Whether a person says that evidence contradicts it."""
    return any(values.get("supports") is False for values in claim.evidence)


def _last_move(engine: Engine, tx: Tx, name: str, to: Collection[ItemStatus]) -> int:
    """The event of the log that moved an item last to one of these statuses; 0 where none did."""
    log = [event for event in tx.items.history(engine.project_id, name) if event.type != SIGNED]
    return max((event.seq for event in log if json.loads(event.payload).get("status") in to), default=0)


def bound_evidence(engine: Engine, by: By, given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``given`` with the files, the commit and the time that it is about. Refuses ``needs_human`` for a judgement of an agent."""
    if any(map(is_judged, given)) and not by.is_human:
        raise Refused(
            "needs_human",
            "Only a person says that evidence supports or contradicts a claim.",
            "Leave 'supports' out. The user says it in a terminal of their own: wfe-mcp claim evidence ITEM --supports",
        )
    about = {"tree": SeenFiles(engine.root).tree().id, "head": head(engine.root)}
    about |= {"at": engine.clock().isoformat(timespec="seconds")}
    entries: list[dict[str, Any]] = []
    for entry in given:
        digest: dict[str, str] = {}
        try:
            content = read_if_there(engine.root, entry["ref"], _MOST_BYTES) if entry.get("ref") else None
            digest = {} if content is None else {"sha256": sha256_hex(content)}
        except Refused:
            digest = {}  # an address, the id of a piece of evidence, a place outside: it is kept as it was named
        entries.append({**entry, **digest, **about})
    return entries


def values_with_evidence(claim: Item, given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What changes in ``claim`` with this evidence. Refuses what belongs to no claim or list, and a claim that is closed."""
    if claim.kind is not ItemKind.CLAIM:
        raise Refused(
            "bad_argument",
            f"{claim.id} is a {claim.kind}: only a claim has evidence.",
            "Find claims: wfe-mcp claim list",
            (Detail(pointer("item", "evidence"), "belongs to a claim", "the id of a claim", claim.id),),
        )
    judges = any(map(is_judged, given))
    if claim.status is ItemStatus.DEPRECATED or (judges and claim.status is ItemStatus.FALSIFIED):
        raise Refused(
            "illegal_transition",
            f"{claim.id} is {claim.status}: evidence changes nothing about it.",
            f"Take it up again once its follow-ups are done: wfe-mcp claim retry {claim.id}"
            if claim.status is ItemStatus.FALSIFIED
            else "Add another claim.",
        )
    lists = [test["name"] for test in claim.tests if test["type"] == "manual"]
    unknown = next((entry["test"] for entry in given if "test" in entry and entry["test"] not in lists), None)
    if unknown is not None:
        raise Refused(
            "bad_argument",
            f"{claim.id} has no list {unknown!r} that a person answers.",
            nearest_hint(unknown, lists, f"Its lists: {', '.join(lists) or 'none'}."),
            (Detail(pointer("item", "evidence"), "names no list", lists, unknown),),
        )
    evidence = [*claim.evidence, *given]
    unjudged = [values for values in evidence if not is_judged(values)]
    if len(unjudged) > MOST_EVIDENCE and not all(map(is_judged, given)):  # a person may always say what holds
        what = f"{claim.id} has {MOST_EVIDENCE} pieces of evidence already that no person judged."
        raise Refused("too_large", what, "Ask the user to judge it, or add another claim.")
    return {"evidence": evidence, **(_verdict(claim, claim.results, evidence) if judges else {})}


def values_with_results(claim: Item, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What changes in ``claim`` with new results of its tests; nothing in one that is falsified or closed."""
    if claim.status is not ItemStatus.PENDING and claim.status not in VERDICTS - {ItemStatus.FALSIFIED}:
        return {}
    named = {result["test"] for result in results}
    values = [*(result for result in claim.results if result["test"] not in named), *results]
    return {"results": values, **_verdict(claim, values, claim.evidence)}


def _verdict(
    claim: Item, results: Sequence[Mapping[str, Any]], evidence: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    status, reason = verdict(claim.tests, results, evidence)
    return {"status": ItemStatus(status), "reason": reason}


def again() -> dict[str, Any]:
    """What changes in a claim that is taken up again: earlier results are in its history."""
    return {"status": ItemStatus.PENDING, "reason": "", "results": ()}
