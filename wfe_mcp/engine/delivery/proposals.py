"""What a pull request is written from: the item, decisions, checks and artifacts of a run, as the database has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.delivery.forges.pull_request_text import Artifact, Check, Decision, Proposal
from wfe_mcp.delivery.git.refs import tree_of
from wfe_mcp.engine.work.items import decision_lines

if TYPE_CHECKING:
    from wfe_mcp.core.model import RunId
    from wfe_mcp.delivery.forges.protocol import Change
    from wfe_mcp.engine.delivery.place import Place
    from wfe_mcp.store import Tx

_MOST_ARTIFACTS = 100


def proposal_of(place: Place, change: Change, title: str = "") -> Proposal:
    """The facts of the run that proposes ``change``."""
    run, item, engine = place.run, place.item, place.engine
    with engine.store.read() as tx:
        return Proposal(
            run=run.id,
            title=title or run.title,
            commit=change.head,
            tree=tree_of(place.root, change.head),
            base=change.base,
            template=run.template,
            item=item.id if item else "",
            item_title=title or (item.title if item else ""),
            body=item.body if item else "",
            criteria=item.criteria if item else (),
            source=item.source if item else "",
            decisions=_decisions(tx, run.id),
            checks=_checks(tx, run.id),
            artifacts=_artifacts(tx, run.id),
            rules=decision_lines(engine, tx, item.id if item else ""),
        )


def _decisions(tx: Tx, run: RunId) -> list[Decision]:
    decided = ((each, tx.approvals.decision(each.id)) for each in tx.approvals.of_run(run))
    return [
        Decision(
            request.phase,
            one.approved,
            one.actor,
            one.assurance.name.lower(),
            one.at.isoformat(timespec="seconds"),
            one.comment,
        )
        for request, one in decided
        if one is not None
    ]


def _checks(tx: Tx, run: RunId) -> list[Check]:
    """The newest result of each check of each phase."""
    found = (each for each in tx.evidence.of_run(run) if "check" in each.data)
    newest = {(each.phase, str(each.data["check"])): bool(each.data.get("passed")) for each in found}
    return [Check(phase, name, "pass" if passed else "fail") for (phase, name), passed in newest.items()]


def _artifacts(tx: Tx, run: RunId) -> list[Artifact]:
    """The sealed artifacts, each in its newest revision."""
    heads = (each for each in tx.artifacts.last_revisions(run, _MOST_ARTIFACTS) if each.sealed_at is not None)
    newest = {(each.phase, each.name): each.sha256 for each in heads}
    return [Artifact(phase, name, sha256) for (phase, name), sha256 in newest.items()]
