"""Attestations of a run: what its record says about one commit, as statements in the repository's ref.

    decisions in the log   ──► person-decision, with the person's own signature    below the tree that they decided on
    evidence of checks     ──► test-result, one for each check                     below the commit's tree
    verdicts in the log    ──► svr, the gates that passed                          below the commit's tree

Rules:
1. A statement is about files: the commit's tree without ``.wfe/``. The commit is a subject too where its tree is that one.
2. The same record gives the same bytes, so a second call adds nothing, and neither does one after kill -9.
3. Nothing is signed for a person. What they did not sign with a pinned key has no statement.
4. A delivered run is attested before its branch is pushed, before that is merged, and again when the run is complete: also
   where another program has pushed or merged it first, and with a decision that was made in between.
"""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunStatus, Signature
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.delivery.attestations import envelope as in_toto, ref
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git import remote as remotes
from wfe_mcp.delivery.git.commits import files_tree
from wfe_mcp.delivery.git.refs import tree_of
from wfe_mcp.engine.approvals.statements import read_signed
from wfe_mcp.engine.delivery.operations import operations_in, operations_of
from wfe_mcp.engine.kernel.evidence_seals import SEAL, ServerKey
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.repository import commit_of
from wfe_mcp.workspace.git.working_tree import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from wfe_mcp.delivery.git.remote import Remote
    from wfe_mcp.engine.delivery.place import DeliveryPlace
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store.records.runs import EventRecord, EvidenceRecord, LoadedRun

_RESULTS = {
    GateOutcome.PASS: "PASSED",
    GateOutcome.WARNING: "WARNED",
    GateOutcome.OVERRULED: "WARNED",
    GateOutcome.GRANTED: "WARNED",
    GateOutcome.FAIL: "FAILED",
    GateOutcome.ERROR: "FAILED",
}
"""A check that was left out or needs trust has no result."""


class Bundle(NamedTuple):
    """The statements of a run. ``tree``: of the commit's files; ``decisions``: about exactly these; ``head``: of the ref."""

    commit: str
    tree: str
    head: str
    decisions: int
    results: int
    statements: int


def attest(engine: Engine, run_id: str, commit: str) -> Bundle:
    """Write what the record of ``run_id`` says about ``commit`` into the ref.

    Refuses ``bad_argument``: no such commit; ``unavailable``: no git, or the key or the ref cannot be written.
    """
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        run = loaded.record
        events, evidence = list(tx.events.log(run.id)), tx.evidence.of_run(run.id)
    root = Path(run.worktree)
    full, tree = files_of(root, commit)
    decisions = [*_decisions(events)]
    statements = [
        (at, in_toto.statement(at, full if at == tree else "", in_toto.DECISION, predicate))
        for at, predicate in decisions
    ]
    verdicts = [_verdict(event) for event in events if event.type == "GateJudged"]
    judged = _judged_as(events, full, tree)
    results = [*_check_results(verdicts, evidence, judged)]
    statements += [(tree, in_toto.statement(tree, full, in_toto.TEST_RESULT, result)) for result in results]
    passed = [*_passed_gates(loaded, verdicts, evidence, judged)]
    if passed:
        newest = max(event.at for event in events if event.type == "GateJudged")
        at = newest.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        name = f"{run.template}@{run.template_version}"
        verified = in_toto.verdict_predicate(name, run.template_sha256, at, passed)
        statements.append((tree, in_toto.statement(tree, full, in_toto.VERIFIED, verified)))
    with engine.store.tx() as tx:
        try:
            public, sign = engine.state_of(ServerKey).signer(engine, tx)
        except (OSError, ValueError) as error:
            raise Refused(
                "unavailable",
                f"The server's key cannot be read: {error}",
                "Make the folder keys/ beside the database readable and writable for you.",
            ) from error
    head = ref.add(
        root, [(at, in_toto.seal_statement(statement, public, sign)) for at, statement in statements], engine.clock()
    )
    ours = sum(at == tree and json.loads(decision["statement"])["kind"] == "approve" for at, decision in decisions)
    return Bundle(full, tree, head, ours, len(results), len(statements))


def attest_and_push(
    place: DeliveryPlace,
    remote: Remote | None,
    commit: str,
    there: str | None = None,
    also: Mapping[str, str] | None = None,
) -> None:
    """Attest ``commit`` of the run and bring the ref to the remote, together with what the remote's has. Raises DeliveryFault.

    ``there``: the commit of the ref there, where it was asked for already. ``also``: refs that are pushed with it, all or none.
    """
    try:
        attest(place.engine, place.run.id, commit)
        if remote is not None:
            _push(place, remote, there, also or {})
    except Refused as refused:
        raise DeliveryFault(refused.text, "configuration") from refused


def _push(place: DeliveryPlace, remote: Remote, there: str | None, also: Mapping[str, str]) -> None:
    for last in (False, False, True):
        head = ref.tip(place.root)
        if head:
            there = remotes.fetch(remote, ref.REF, there)
            head = ref.merge(place.root, there, place.engine.clock()) if there else head
        refs = {ref.REF: head, **also} if head != (there or "") else also
        try:
            if refs:
                remotes.push(remote, refs)
        except DeliveryFault as fault:
            if last or fault.blocker != "conflict":  # else someone else pushed since: once more, with theirs
                raise
            there = None
        else:
            return


def attest_completed(change: RunChange) -> None:
    """Attest the commits of a delivered run that has just been completed."""
    before = change.loaded_before.state.status
    if (
        change.state.status is not RunStatus.COMPLETED
        or before is RunStatus.COMPLETED
        or not change.state.spec.stepped  # only a step commits
        or not change.engine.project.is_git
    ):
        return
    engine, run = change.engine, change.run.id
    if engine.settings().settings.delivery.mode != "none":
        with engine.store.read() as tx:  # the transaction of the change is over
            operations = operations_of(tx, run)
        for commit in dict.fromkeys(operation.commit for operation in operations if operation.commit):
            attest(engine, run, commit)


def files_of(root: Path, commit: str) -> tuple[str, str]:
    """The full id of a commit, and the tree of its files without ``.wfe/``, as seen from ``root``."""
    repo = require_repository(root)
    full = commit_of(root, commit)
    if not full:
        raise Refused("bad_argument", f"There is no commit {commit!r} in this repository.", "Commit first: git log")
    named = f"{full}:{repo.prefix.rstrip('/')}" if repo.prefix else tree_of(root, full)
    ((tree, _),) = files_tree(root, [named], repo.hash_name)
    return full, tree


def _decisions(events: Sequence[EventRecord]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Approvals and rejections that a person signed about files, each with the tree."""
    for event in events:
        if event.type != "DecisionSigned":
            continue
        proof = read_signed(Signature(str(event.payload["statement"]), str(event.payload["signature"])))
        if proof is None or proof.statement.values["kind"] not in {"approve", "reject"}:
            continue
        tree = parts_of(str(proof.statement.values["tree"]))[0]
        if tree:
            signature = proof.signature if isinstance(proof.signature, str) else proof.signature.model_dump()
            yield tree, in_toto.decision(str(event.payload["statement"]), signature)


class _Verdict(NamedTuple):
    """A verdict in the log."""

    phase: str
    stage: str
    gate: int
    outcome: GateOutcome
    evidence: str


def _verdict(event: EventRecord) -> _Verdict:
    verdict = event.payload["verdict"]
    phase, stage, outcome = str(event.payload["phase"]), str(verdict["stage"]), GateOutcome(verdict["outcome"])
    return _Verdict(phase, stage, int(verdict["gate"]), outcome, str(verdict["evidence"] or ""))


def _judged_as(events: Sequence[EventRecord], commit: str, tree: str) -> set[str]:
    """The trees under which the gates judged the files of ``commit``: ``tree``, and the bytes on disk that the server committed as it."""
    made_of = (
        operation.done
        for operation in operations_in(events)
        if operation.kind == "git.commit" and operation.done and operation.commit == commit
    )
    return {tree} | {str(done["approved"]) for done in made_of if "excluded" not in done}


def _check_results(
    verdicts: Sequence[_Verdict], evidence: Sequence[EvidenceRecord], trees: Set[str]
) -> Iterator[dict[str, Any]]:
    """The results of the checks that ran on one of ``trees``."""
    by_id = {entry.id: entry for entry in evidence if parts_of(entry.tree or "")[0] in trees and "check" in entry.data}
    for verdict in verdicts:
        piece = by_id.get(verdict.evidence)
        if piece is not None and verdict.outcome in _RESULTS:
            data = {name: value for name, value in piece.data.items() if name != SEAL}
            name = f"check {piece.data['check']}"
            yield in_toto.check_result(name, sha256_hex(canonical_json(data)), _RESULTS[verdict.outcome])


def _passed_gates(
    loaded: LoadedRun, verdicts: Sequence[_Verdict], evidence: Sequence[EvidenceRecord], same: Set[str]
) -> Iterator[str]:
    """The gates whose last verdict let the run continue; one about files only where it was about one of the trees ``same``."""
    last = {(latest.phase, latest.stage, latest.gate): latest for latest in verdicts}
    trees = {entry.id: parts_of(entry.tree or "")[0] for entry in evidence}
    for (path, stage, number), verdict in sorted(last.items()):
        spec = loaded.state.phase(PhasePath(path))
        gates = spec.gates if stage == "after" else spec.gates_before
        about = trees.get(verdict.evidence, "")
        if verdict.outcome is GateOutcome.PASS and number < len(gates) and about in {"", *same}:
            yield f"WFE_GATE_PASSED {path} {stage} {number} {gates[number].kind}"
