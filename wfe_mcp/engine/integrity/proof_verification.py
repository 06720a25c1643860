"""Verification of approval proofs from the repository alone.

    .wfe/approvers.json            each key was added by an older one; the first is trusted as is
    .wfe/approvals/…/*.json        each proof is signed by a key that was pinned then: a passkey, or a person's key
    what the proofs name           each file matches its newest proof; the code as it is now is approved, or it is not

Rules:
1. Files and git only: neither the database nor this machine's keys are asked, so it works in CI and on any machine.
2. ``base`` is a trusted commit, such as the branch to merge into: its key chain must be extended, its proofs kept,
   and no key that it removed signs anything new.
3. An approval that several people give counts where as many different ones gave it, by the names of their keys.
4. A missing proof is found only for what ``require`` names: files, or ``.`` for the code as it is now. The code is
   the tree of all files that are neither ignored nor in ``.wfe/``, as git would commit the bytes on disk.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from wfe_mcp.core.approval_guards import people_line
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.delivery.git.commits import code_tree
from wfe_mcp.engine.approvals.approvers import (
    APPROVERS,
    ApproverKey,
    PinnedChain,
    approvers_file,
    approvers_here,
    chain_of,
    person_named,
)
from wfe_mcp.engine.approvals.proof_files import APPROVALS, file_of, is_as_written, people_of, read_proof
from wfe_mcp.engine.approvals.statements import SignedStatement
from wfe_mcp.workspace.files.project_files import read_folder, read_if_there
from wfe_mcp.workspace.git.command import run_git, text_of as output_of
from wfe_mcp.workspace.git.repository import commit_meant, lacks_our_folder
from wfe_mcp.workspace.git.working_tree import parts_of

CODE = "."
"""What ``require`` names for the code as it is now."""

_MOST_BYTES, _MOST_FILES, _FILE_BYTES = 500_000_000, 100_000, 50_000_000


@dataclass(frozen=True, slots=True)
class Proven:
    """A valid proof and its signer. ``files``: path to sha256; ``tree``: of the code that was approved.

    ``people``: how many had to approve; ``request``: what each of them answered.
    """

    file: str
    run: str
    phase: str
    attempt: int
    sha256: str
    at: str
    files: Mapping[str, str]
    tree: str
    key: ApproverKey
    request: str = ""
    people: int = 1


@dataclass(frozen=True, slots=True)
class VerifiedProofs:
    """Valid and invalid proofs. ``keys``: those in force now. ``code``: the tree of the code as it is now; "" without git."""

    approvals: tuple[Proven, ...]
    findings: tuple[Discrepancy, ...]
    keys: tuple[ApproverKey, ...]
    notes: tuple[str, ...] = ()
    code: str = ""

    @property
    def of_code(self) -> Proven | None:
        """The newest approval of the code as it is now."""
        counted, _ = _by_enough_people(self.approvals)
        valid_proofs = [proven for proven in counted if self.code and parts_of(proven.tree)[0] == self.code]
        return max(valid_proofs, key=lambda one: (one.at, one.file), default=None)


@dataclass(slots=True)
class _Base:
    """The trusted commit: its keys and proof files."""

    pinned: PinnedChain = field(default_factory=PinnedChain)
    proofs: frozenset[str] = frozenset()
    is_given: bool = False


def verify_approvals(root: Path, run: str = "", require: Sequence[str] = (), base: str = "") -> VerifiedProofs:
    """Judge all proofs below ``root``, or those of one run. Refuses ``unavailable`` without the extra, ``unknown_run``.

    ``require``: files that must have a proof. ``base``: a commit whose keys and proofs are trusted.
    """
    findings: list[Discrepancy] = []
    pinned = _repository_keys(root, findings)
    before = _base(root, base) if base else _Base()
    if before.is_given:
        findings += _unlike_base(root, pinned, before)
    valid_proofs: list[Proven] = []
    for file, raw in _proofs(root):
        result = _verify_proof(file, raw, pinned, before)
        if isinstance(result, Proven):
            valid_proofs.append(result)
        else:
            findings.append(result)
    ours = [proof for proof in valid_proofs if proof.run.startswith(run)]
    discrepancies = [finding for finding in findings if finding.run.startswith(run) or not finding.run]
    if run and not ours and not any(discrepancy.run for discrepancy in discrepancies):
        raise Refused(
            "unknown_run", f"No approval of a run {run!r} is in {APPROVALS}.", "Leave the run out to see all."
        )
    counted, waiting = _by_enough_people(valid_proofs)
    newest = _newest(counted)
    for path, proven in newest.items():
        discrepancies += _unlike_file(root, path, proven) if proven in ours else ()
    code = parts_of(code_tree(root))[0]  # a checkout elsewhere has no ignored files
    is_approved = code and any(parts_of(proof.tree)[0] == code for proof in counted)
    for path in require:
        if path == CODE and not is_approved:
            message = "the code as it is now needs an approval by a pinned key, and no proof that holds is about it"
            discrepancies.append(Discrepancy("proof_missing", path, message))
        elif path != CODE and path not in newest:
            message = "it needs an approval by a pinned key, and no proof that holds names it"
            discrepancies.append(Discrepancy("proof_missing", path, message))
    none = "No key is pinned and nothing is approved by one."
    if lacks_our_folder(root):
        none = "A sparse checkout left .wfe/ out, so no key is pinned here. Bring it back: git sparse-checkout add .wfe"
    notes = (none,) if not pinned.changes and not valid_proofs else ()
    notes += tuple(f"{phase} of run {of}: {line}." for of, phase, line in waiting if of.startswith(run))
    return VerifiedProofs(tuple(ours), tuple(discrepancies), tuple(pinned.keys.values()), notes, code)


def _by_enough_people(proofs: Sequence[Proven]) -> tuple[list[Proven], list[tuple[str, str, str]]]:
    """The proofs that as many different people gave as they had to; of the others run, phase, and who did."""
    who: dict[tuple[object, ...], set[str]] = {}
    for proven in proofs:
        who.setdefault(_request_key(proven), set()).add(person_named(proven.key.name))
    counted = [proven for proven in proofs if len(who[_request_key(proven)]) >= proven.people]
    few = {_request_key(proven): proven for proven in proofs if len(who[_request_key(proven)]) < proven.people}
    return counted, [
        (proven.run, proven.phase, people_line(sorted(who[at]), proven.people)) for at, proven in few.items()
    ]


def _request_key(proof: Proven) -> tuple[object, ...]:
    """What people answer together: the same request about the same revision."""
    return proof.run, proof.phase, proof.attempt, proof.request, proof.sha256, proof.people


def _repository_keys(root: Path, findings: list[Discrepancy]) -> PinnedChain:
    """The keys of the repository; none when the file is invalid, which is reported."""
    try:
        return approvers_here(root)
    except Refused as refused:
        if refused.code != "conflict":
            raise
        findings.append(Discrepancy("approvers_void", APPROVERS, refused.message))
        return PinnedChain()


def _proofs(root: Path) -> Iterator[tuple[str, bytes]]:
    if (root / APPROVALS).is_dir():
        content_by_path = read_folder(root, APPROVALS, _MOST_BYTES, _MOST_FILES)
        yield from ((f"{APPROVALS}/{path}", raw) for path, raw in sorted(content_by_path.items()))


def _verify_proof(file: str, raw: bytes, pinned: PinnedChain, before: _Base) -> Proven | Discrepancy:
    """A valid proof, or its fault."""
    proof = read_proof(raw)
    if proof is None:
        return Discrepancy("proof_unreadable", file, "it is no proof of an approval")
    statement, values = proof.statement, proof.statement.values
    if file_of(statement) != file or values["kind"] != "approve" or not is_as_written(raw):
        message = "it is not the file that wfe-mcp writes for this approval"
        return Discrepancy("proof_unreadable", file, message, statement.run)
    key = _key_then(file, proof, pinned, before)
    if isinstance(key, Discrepancy):
        return key
    fault = proof.fault(key.public_key, key.origin)
    if fault:
        return Discrepancy("signature_wrong", file, f"{key.name!r} did not sign this: {fault}", statement.run)
    return Proven(
        file,
        statement.run,
        str(values["decision"][0]["phase"]),
        int(values["decision"][0]["attempt"]),
        str(values["artifact"]),
        str(values["time"]),
        {str(path): str(sha256) for path, sha256 in values["files"].items()},
        str(values["tree"]),
        key,
        str(values["request"]["id"]),
        people_of(statement),
    )


def _key_then(file: str, proof: SignedStatement, pinned: PinnedChain, before: _Base) -> ApproverKey | Discrepancy:
    """The key that was pinned when the approval was signed, or why none was."""
    run, then = proof.statement.run, pinned.at_head(str(proof.statement.values["approvers"]))
    if then is None:
        return Discrepancy("key_unknown", file, f"it was signed under keys that {APPROVERS} does not continue", run)
    key = then.keys.get(proof.key)
    if key is None or (key.kind is None) != proof.is_by_passkey:
        return Discrepancy("key_unknown", file, "the key that signed it was not pinned then", run)
    known = before.pinned.keys | pinned.keys
    if before.is_given and file not in before.proofs and key.id not in known:
        return Discrepancy("key_removed", file, f"{key.name!r}, which signed it, had been taken out before", run)
    return key


def _newest(proofs: Iterable[Proven]) -> dict[str, Proven]:
    """Each approved file with its newest proof."""
    ordered = sorted(proofs, key=lambda one: (one.at, one.file))
    return {path: proven for proven in ordered for path in proven.files}


def _unlike_file(root: Path, path: str, proven: Proven) -> Iterator[Discrepancy]:
    by = f"{proven.key.name!r} approved in {proven.file}"
    try:
        raw = read_if_there(root, path, _FILE_BYTES)
    except Refused as refused:
        yield Discrepancy("artifact_changed", path, f"it is not what {by}: {refused.message}", proven.run)
        return
    if raw is None:
        yield Discrepancy("artifact_missing", path, f"{by} is not there", proven.run)
    # Git may have given it the line ends of the system.
    elif proven.files[path] not in {sha256_hex(raw), sha256_hex(raw.replace(b"\r\n", b"\n"))}:
        yield Discrepancy("artifact_changed", path, f"it is not what {by}", proven.run)


def _base(root: Path, ref: str) -> _Base:
    """Keys and proofs as ``ref`` has them. Refuses ``bad_argument``: no such commit."""
    commit = commit_meant(root, ref, "refs/heads/", "refs/remotes/")
    if not commit:
        raise Refused(
            "bad_argument", f"There is no commit {ref!r} in this repository.", "Fetch it first: git fetch origin"
        )
    process = run_git(root, "show", f"{commit}:./{APPROVERS}", ok=None)
    pinned = chain_of(process.stdout) if process is not None and process.returncode == 0 else PinnedChain()
    listed = output_of(run_git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", APPROVALS))
    return _Base(pinned, frozenset(name for name in listed.split("\0") if name), is_given=True)


def _unlike_base(root: Path, pinned: PinnedChain, before: _Base) -> Iterator[Discrepancy]:
    if before.pinned.changes and pinned.at_head(before.pinned.head) is None and approvers_file(root) is None:
        yield Discrepancy("approvers_rewritten", APPROVERS, "the keys that were pinned are gone")
    elif before.pinned.changes and pinned.at_head(before.pinned.head) is None:
        yield Discrepancy("approvers_rewritten", APPROVERS, "it does not continue the keys that were pinned")
    for file in sorted(before.proofs):
        if not (root / file).is_file():
            yield Discrepancy("proof_deleted", file, "the proof was there, and is gone", file.split("/")[2])
