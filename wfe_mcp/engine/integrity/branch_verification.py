"""Verification of a branch from a clone alone: each commit of its first-parent line needs an approver's decision on its files.

    base, by its first parent's .wfe/approvers.json ──► who may approve this commit
    the commit's files without .wfe/, as a tree      ──► refs/wfe/attestations ──► decisions on exactly these files

Rules:
1. Git and the bytes of the clone only: no database, no key of this machine, no network.
2. The approvers are those of the parent on the branch, never those that the commit brings. A change of the approvers file has to
   continue the parent's chain, of which each change is signed by a key before it.
3. A decision accounts for one place of the branch: it is not older than the decision on the commit before, and is not used again.
   So a tree that was approved once and left behind does not come back without a new decision. Files of the last proven
   commit need none: what undoes an unproven commit is no change. Where a later commit with the same files names the run of a
   decision, that is for this one: what a revert brings back does not become proven by it where it was before.
4. A later decision of the same run on the same phase replaces an earlier one, unless both are on the branch.
5. An approval that several people give needs as many of them: approvers of the commit before with different names, who
   answered the same request about the same revision.
6. What the server signed is counted and shown. It proves nothing here: its key is on the machine of the agent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import field
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.approval_guards import people_line
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import Signature
from wfe_mcp.delivery.attestations import ref
from wfe_mcp.delivery.attestations.branch_line import BranchCommit, BranchLines
from wfe_mcp.delivery.attestations.envelope import DECISION, OpenedEnvelope, open_envelope
from wfe_mcp.engine.approvals.approvers import APPROVERS, ApproverKey, PinnedChain, chain_of, person_named
from wfe_mcp.engine.approvals.proof_files import people_of
from wfe_mcp.engine.approvals.statements import SignedStatement, read_signed
from wfe_mcp.workspace.git.command import require_repository, run_git, text_of
from wfe_mcp.workspace.git.repository import commit_meant
from wfe_mcp.workspace.git.working_tree import parts_of

FETCH = f"git fetch origin '+{ref.REF}:refs/remotes/origin/wfe/attestations'"
"""What brings the attestations into a clone, which git does not do by itself."""
PUSH = f"git push origin {ref.REF}"
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


class Decision(NamedTuple):
    """What an envelope says that a person decided; not yet judged. ``id``: the sha256 of the signed text.

    ``people``: how many have to decide the same; ``asked``: the request and the revision that they decide on.
    """

    id: str
    kind: str
    run: str
    phase: str
    attempt: int
    seq: int
    at: str
    tree: str
    proof: SignedStatement
    people: int
    asked: tuple[str, str]

    def replaces(self, other: Decision) -> bool:
        """True where it is about the same phase of the same run, later, and differs."""
        same = (self.run, self.phase) == (other.run, other.phase) and self.seq > other.seq
        return same and (self.kind != "approve" or self.tree != other.tree)


_Signed = tuple[Decision, ApproverKey]


class ProvenCommit(NamedTuple):
    """A commit that ``decision`` accounts for; without one its files are those of the last proven commit. ``statements``: of the server."""

    commit: str
    subject: str
    tree: str
    decision: Decision | None
    key: ApproverKey | None
    statements: int


@dataclass(slots=True)
class VerifiedBranch:
    """What was found. ``judged``: how many commits needed a proof."""

    branch: str
    judged: int = 0
    proven: list[ProvenCommit] = field(default_factory=list[ProvenCommit])
    findings: list[Discrepancy] = field(default_factory=list[Discrepancy])
    notes: list[str] = field(default_factory=list[str])
    approvers: PinnedChain | None = None


def verify_branch(root: Path, branch: str, since: str = "") -> VerifiedBranch:
    """Judge the first-parent line of ``branch``, after the commit ``since`` where one is given, which is then trusted.

    All zeros, which CI names for a branch that is new or a pipeline that a person starts, is none.
    Refuses ``bad_argument``: no such commit; ``unavailable``: no git, or a clone whose history is cut off.
    """
    if text_of(run_git(root, "rev-parse", "--is-bare-repository", ok=None)) == "true":
        raise Refused(
            "unavailable", f"'{root}' is a bare repository.", f"Run it in a clone that has files: git clone '{root}'"
        )
    repo = require_repository(root)
    top = _commit(root, branch, "refs/heads/", "refs/remotes/", "refs/remotes/origin/")
    start = _commit(root, since, "refs/heads/", "refs/remotes/") if since.strip("0") else ""
    if not start and text_of(run_git(root, "rev-parse", "--is-shallow-repository")) == "true":
        raise Refused(
            "unavailable",
            "The history of this clone is cut off, so the first approvers of the branch cannot be read.",
            "Fetch all of it (git fetch --unshallow; in CI: fetch-depth: 0), or name a commit to trust: --since COMMIT.",
        )
    lines = BranchLines(root, repo, APPROVERS, _names_approvers)
    line = lines.by_first_parents(top)
    longer = line if start else lines.with_merged_approvers(line)
    first = lines.first_named(longer)
    attested = ref.bundles(root)
    walk = _Walk(VerifiedBranch(branch), attested or {})
    if start and all(commit.id != start for commit in line):
        message = f"{since} is not a commit of this branch any more: its history was replaced"
        walk.found.findings.append(Discrepancy("branch_rewritten", branch, message))
        start = text_of(run_git(root, "merge-base", start, top, ok=None))
    walk.through(longer, start)
    if longer is not line and not walk.has_decided({*longer} - {*line}):
        walk = _Walk(VerifiedBranch(branch), attested or {})
        walk.through(line, start)
        if first is not None:
            # No one decided on where the approvers of a merge come from.
            note = "named them first, in what was merged there; nothing that was decided since is on that line."
            walk.found.notes.append(f"{first.place} {note}")
    if first is not None and not start:
        walk.found.findings[:0] = _named_elsewhere(first, [*lines.named_elsewhere(longer)])
    if attested is None:
        message = f"this clone has none, so nothing is proven; fetch them: {FETCH}; where the remote has none, push them from the project: {PUSH}"
        walk.found.findings.insert(0, Discrepancy("attestations_missing", ref.REF, message))
    if repo.prefix:
        walk.found.findings += _outside(root, repo.prefix, walk.judged)
    return walk.found


def decisions_in(envelopes: Iterable[OpenedEnvelope | None]) -> Iterator[Decision]:
    """The decisions in opened envelopes that are whole; what is none is left out."""
    for envelope in envelopes:
        if (
            envelope is not None
            and envelope.predicate_type == DECISION
            and (decision := _decision(envelope)) is not None
        ):
            yield decision


def signer(decision: Decision, base: PinnedChain) -> ApproverKey | str:
    """The key of ``base`` that signed ``decision``; a text says why none did."""
    proof = decision.proof
    then = base.at_head(str(proof.statement.values["approvers"]))
    if then is None:
        return f"it was signed under an {APPROVERS} that the commit before does not have"
    key = then.keys.get(proof.key)
    if key is None or (key.kind is None) != proof.is_by_passkey or base.keys.get(key.id) != key:
        return f"the key {proof.key[:16]} that signed it is not an approver of the commit before"
    fault = proof.fault(key.public_key, key.origin)
    return f"{key.name!r} did not sign it: {fault}" if fault else key


def _decision(envelope: OpenedEnvelope) -> Decision | None:
    text, signature = envelope.predicate.get("statement"), envelope.predicate.get("signature")
    if {*envelope.predicate} != {"statement", "signature"} or not isinstance(text, str):
        return None
    try:
        signature_text = signature if isinstance(signature, str) else canonical_json(signature)
        proof = read_signed(Signature(text, signature_text))
        if proof is None or proof.is_by_passkey == isinstance(signature, str):
            return None
        values = proof.statement.values
        decision, tree = values["decision"][0], parts_of(str(values["tree"]))[0]
        phase, attempt, seq = decision["phase"], decision["attempt"], values["request"]["seq"]
        is_typed = type(phase) is str and type(attempt) is int and type(seq) is int
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    if not is_typed or values["kind"] not in {"approve", "reject"} or not _UTC.fullmatch(values["time"]):
        return None
    if not tree or ("gitTree", tree) not in envelope.digests:
        return None
    asked, people = (str(values["request"].get("id")), values["artifact"]), people_of(proof.statement)
    of = (values["kind"], values["run"], phase, attempt, seq, values["time"], tree)
    return Decision(sha256_hex(text), *of, proof, people, asked)


class _Walk:
    """The line from its first commit to its last: who may approve, and which decisions are used up."""

    def __init__(self, branch: VerifiedBranch, attested: Mapping[str, Sequence[bytes]]) -> None:
        self.found = branch
        self.judged: list[BranchCommit] = []
        read = {tree: [open_envelope(raw) for raw in envelopes] for tree, envelopes in attested.items()}
        self._decisions = {decision.id: decision for envelopes in read.values() for decision in decisions_in(envelopes)}
        self._statements = {
            tree: sum(envelope is not None and envelope.predicate_type != DECISION for envelope in envelopes)
            for tree, envelopes in read.items()
        }
        self._base = PinnedChain()
        self._used: dict[str, tuple[Decision, PinnedChain, BranchCommit]] = {}
        self._floor = ""
        self._approved = ""
        self._file: bytes | None = None
        self._later = Counter[tuple[str, str]]()
        self._signers: dict[tuple[str, str], ApproverKey | str] = {}

    def through(self, line: Sequence[BranchCommit], start: str) -> None:
        """Judge every commit after ``start``; without it, after the one that first names approvers."""
        at = next((number for number, commit in enumerate(line) if commit.id == start), -1)
        self._later = Counter((commit.tree, run) for commit in line for run in commit.runs)
        for number, commit in enumerate(line):
            self._later.subtract((commit.tree, run) for run in commit.runs)
            is_judged = number > at and bool(self._base.changes)
            if is_judged:
                self.judged.append(commit)
            if commit.tree == self._approved and is_judged:
                self.found.proven.append(_proven(commit, None, None, self._statements))
            elif commit.tree != self._approved and (self._account(commit, is_judged=is_judged) or not is_judged):
                self._approved = commit.tree
            self._take_approvers(commit, is_trusted=number <= at and commit.id == start, is_after=number > at)
        self.found.judged = len(self.judged)
        self.found.findings += self._replaced_decisions()
        self.found.approvers = self._base
        if not self._base.changes:
            message = f"no commit of this branch has {APPROVERS}, so no one is named who could approve"
            self.found.findings.append(Discrepancy("approvers_missing", self.found.branch, message))

    def has_decided(self, commits: Set[BranchCommit]) -> bool:
        """Whether a decision accounts for one of ``commits``."""
        return any(commit in commits for _, _, commit in self._used.values())

    def _account(self, commit: BranchCommit, *, is_judged: bool) -> bool:
        """Use a decision for ``commit``; where there is none and it is judged, say why."""
        wanted = (commit.tree, "approve")
        decisions = [
            decision
            for decision in self._decisions.values()
            if (decision.tree, decision.kind) == wanted and not (is_judged and self._is_for_later(decision, commit))
        ]
        signed = [(decision, key) for decision in decisions if isinstance(key := self._signer(decision), ApproverKey)]
        free = [
            (decision, key) for decision, key in signed if decision.id not in self._used and decision.at >= self._floor
        ]
        enough = [pair for pair in free if len(_people(pair[0], free)) >= pair[0].people]
        if enough:
            decision, key = min(enough, key=lambda each: (each[0].at, each[0].id))
            for candidate, _ in enough:
                if _together(candidate, decision):
                    self._used[candidate.id] = candidate, self._base, commit
                    self._floor = max(self._floor, candidate.at)
            if is_judged:
                self.found.proven.append(_proven(commit, decision, key, self._statements))
            return True
        if is_judged:
            self._name(commit, decisions, signed, free)
        return False

    def _is_for_later(self, decision: Decision, commit: BranchCommit) -> bool:
        return decision.run not in commit.runs and self._later[decision.tree, decision.run] > 0

    def _name(
        self, commit: BranchCommit, ours: Sequence[Decision], signed: Sequence[_Signed], free: Sequence[_Signed]
    ) -> None:
        if free:
            decision = max((decision for decision, _ in free), key=lambda one: one.at)
            line = people_line(sorted(_people(decision, free)), decision.people)
            self._add("people_missing", commit, f"its files were approved, but {line}", decision.run)
        elif signed:
            newest = max((decision for decision, _ in signed), key=lambda one: one.at)
            why = f"these files were approved before what this branch had already ({newest.at}, run {newest.run})"
            self._add("proof_stale", commit, f"{why}: to bring them back needs a decision of its own", newest.run)
        elif ours:
            self._add("key_unknown", commit, f"{self._signer(ours[0])}", ours[0].run)
        else:
            why = f"its files (tree {commit.tree[:12]}) need an approval by an approver of the commit before, and none is about them"
            self._add("proof_missing", commit, why)

    def _signer(self, decision: Decision) -> ApproverKey | str:
        place = decision.id, self._base.head
        if place not in self._signers:
            self._signers[place] = signer(decision, self._base)
        return self._signers[place]

    def _take_approvers(self, commit: BranchCommit, *, is_trusted: bool, is_after: bool) -> None:
        """The approvers for the next commit. What does not continue the chain changes nothing."""
        before, is_same, self._file = self._base, commit.approvers == self._file, commit.approvers
        if is_same and not is_trusted:
            return
        try:
            now = PinnedChain() if commit.approvers is None else chain_of(commit.approvers)
            why = f"{APPROVERS} does not continue the approvers of the commit before"
        except Refused as refused:
            now, why = PinnedChain(), refused.message
        if not before.changes or is_trusted:
            self._base = now
            if now.changes and is_after:
                names = ", ".join(sorted(key.name for key in now.keys.values()))
                note = f"Approvers ({names}) are named since {commit.id[:12]}: that commit and those before it are taken as they are."
                self.found.notes.append(note)
        elif now.head != before.head and now.at_head(before.head) is None:
            if is_after:
                self._add(
                    "approvers_rewritten", commit, why if commit.approvers is not None else f"{APPROVERS} is gone"
                )
        else:
            self._base = now

    def _replaced_decisions(self) -> Iterator[Discrepancy]:
        """Commits on decisions that the person replaced by one that is not on the branch."""
        judged = {commit.id for commit in self.judged}
        for decision, base, commit in list(self._used.values()):
            later = [
                other for other in self._decisions.values() if other.replaces(decision) and other.id not in self._used
            ]
            by = next((other for other in later if isinstance(signer(other, base), ApproverKey)), None)
            if by is not None and commit.id in judged:
                self.found.proven[:] = [proof for proof in self.found.proven if proof.commit != commit.id]
                why = f"{by.kind} of {by.phase}, attempt {by.attempt} ({by.at}) replaced the approval of these files"
                yield Discrepancy("proof_replaced", commit.place, why, by.run)

    def _add(self, code: str, commit: BranchCommit, message: str, run: str = "") -> None:
        self.found.findings.append(Discrepancy(code, commit.place, message, run))


def _people(decision: Decision, signed: Iterable[_Signed]) -> set[str]:
    """The people who decided the same as ``decision``, together with it."""
    return {person_named(key.name) for other, key in signed if _together(other, decision)}


def _together(decision: Decision, other: Decision) -> bool:
    """Whether they are parts of one decision that several people make."""
    place = (decision.run, decision.phase, decision.attempt, decision.asked, decision.people)
    return decision.id == other.id or (
        decision.people > 1 and place == (other.run, other.phase, other.attempt, other.asked, other.people)
    )


def _names_approvers(raw: bytes) -> bool:
    try:
        return bool(chain_of(raw).changes)
    except Refused:
        return False


def _named_elsewhere(first: BranchCommit, commits: Sequence[str]) -> Iterator[Discrepancy]:
    """That the line may be another one than the branch was: its history has approvers that are not its own."""
    if commits:
        named = ", ".join(commit[:12] for commit in commits[:_MOST_NAMED])
        message = (
            f"the first approvers of this line are not the first of its history: {named} named some too, beside it. Look which of "
            "them the branch was, and name a commit of it that you know: --since COMMIT"
        )
        yield Discrepancy("branch_rewritten", first.place, message)


def _proven(
    commit: BranchCommit, decision: Decision | None, key: ApproverKey | None, statements: Mapping[str, int]
) -> ProvenCommit:
    return ProvenCommit(commit.id, commit.subject, commit.tree, decision, key, statements.get(commit.tree, 0))


# what a clone has


_MOST_NAMED, _FORM = 8, "%(if)%(symref)%(then)%(else)%(refname:lstrip=2)%(end)"


def _commit(root: Path, name: str, *folders: str) -> str:
    commit = commit_meant(root, name, *folders) or commit_meant(root, f"refs/remotes/origin/{name}")
    if not commit:
        words = ("for-each-ref", f"--count={_MOST_NAMED}", f"--format={_FORM}", "refs/heads", "refs/remotes")
        there = ", ".join(text_of(run_git(root, *words)).split())
        raise Refused(
            "bad_argument",
            f"There is no commit {name!r} in this repository.",
            f"Fetch it first: git fetch origin{f'; or name a branch that is here: {there}' if there else ''}",
        )
    return commit


def _outside(root: Path, prefix: str, judged: Sequence[BranchCommit]) -> Iterator[Discrepancy]:
    """Commits that change files outside the project's folder: no decision of this project is about them."""
    message = f"it changes files outside {prefix}, which no approval here is about"
    for commit in judged:
        paths = (":(top)", f":(top,exclude){prefix}")
        done = run_git(root, "diff-tree", "-r", "--quiet", commit.parents[0], commit.id, "--", *paths, ok=(0, 1))
        if done is not None and done.returncode:
            yield Discrepancy("outside_project", commit.place, message)
