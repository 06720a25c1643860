"""Verification of approval proofs from the repository alone.

    .wfe/approvers.json            each key was added by an older one; the first is trusted as is
    .wfe/approvals/…/*.json        each proof is signed by a key that was pinned then, for a person who was verified
    what the proofs name           each file matches its newest proof

Rules:
1. Files and git only: neither the database nor this machine's keys are asked, so it works in CI and on any machine.
2. ``base`` is a trusted commit, such as the branch to merge into: its key chain must be extended, its proofs kept,
   and no key that it removed signs anything new.
3. A missing proof is found only for files named in ``require``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.approvals.approvers import APPROVERS, Pinned, approvers_file, approvers_here, chain_of
from wfe_mcp.engine.approvals.passkeys import signed
from wfe_mcp.engine.approvals.proofs import APPROVALS, Proof
from wfe_mcp.engine.integrity.discrepancy import Discrepancy
from wfe_mcp.workspace.files.project_files import read_folder, read_if_there
from wfe_mcp.workspace.git.command import run_git, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from wfe_mcp.engine.approvals.approvers import ApproverKey

__all__ = ["Proven", "VerifiedProofs", "verify_approvals"]

_MOST_BYTES, _MOST_FILES, _FILE_BYTES = 500_000_000, 100_000, 50_000_000


@dataclass(frozen=True, slots=True)
class Proven:
    """A valid proof and its signer."""

    file: str
    proof: Proof
    key: ApproverKey


@dataclass(frozen=True, slots=True)
class VerifiedProofs:
    """Valid and invalid proofs. ``keys``: those in force now."""

    approvals: tuple[Proven, ...]
    findings: tuple[Discrepancy, ...]
    keys: tuple[ApproverKey, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Base:
    """The trusted commit: its keys and proof files."""

    pinned: Pinned = field(default_factory=Pinned)
    proofs: frozenset[str] = frozenset()
    is_given: bool = False


def verify_approvals(root: Path, run: str = "", require: Sequence[str] = (), base: str = "") -> VerifiedProofs:
    """Judge all proofs below ``root``, or those of one run. Refuses ``unavailable`` without the extra, ``unknown_run``.

    ``require``: files that must have a proof. ``base``: a commit whose keys and proofs are trusted.
    """
    findings: list[Discrepancy] = []
    pinned = _pinned(root, findings)
    before = _base(root, base) if base else _Base()
    if before.is_given:
        findings += _unlike_base(root, pinned, before)
    held: list[Proven] = []
    for file, raw in _proofs(root):
        found = _judged(file, raw, pinned, before)
        if isinstance(found, Proven):
            held.append(found)
        else:
            findings.append(found)
    ours = [one for one in held if one.proof.statement.run.startswith(run)]
    theirs = [one for one in findings if one.run.startswith(run) or not one.run]
    if run and not ours and not any(one.run for one in theirs):
        raise Refused(
            "unknown_run", f"No approval of a run {run!r} is in {APPROVALS}.", "Leave the run out to see all."
        )
    newest = _newest(held)
    theirs += [one for path, proven in newest.items() if proven in ours for one in _unlike_file(root, path, proven)]
    theirs += [
        Discrepancy("proof_missing", path, "it needs an approval by a passkey, and no proof that holds names it")
        for path in require
        if path not in newest
    ]
    notes = ("No key is pinned and nothing is approved by one.",) if not pinned.changes and not held else ()
    return VerifiedProofs(tuple(ours), tuple(theirs), tuple(pinned.keys.values()), notes)


def _pinned(root: Path, findings: list[Discrepancy]) -> Pinned:
    """The keys of the repository; none when the file is invalid, which is reported."""
    try:
        return approvers_here(root)
    except Refused as refused:
        if refused.code != "conflict":
            raise
        findings.append(Discrepancy("approvers_void", APPROVERS, refused.message))
        return Pinned()


def _proofs(root: Path) -> Iterator[tuple[str, bytes]]:
    if (root / APPROVALS).is_dir():
        found = read_folder(root, APPROVALS, _MOST_BYTES, _MOST_FILES)
        yield from ((f"{APPROVALS}/{path}", raw) for path, raw in sorted(found.items()))


def _judged(file: str, raw: bytes, pinned: Pinned, before: _Base) -> Proven | Discrepancy:
    """A valid proof, or its fault."""
    try:
        proof = Proof.model_validate_json(raw)
    except ValidationError:
        return Discrepancy("proof_unreadable", file, "it is no proof of an approval")
    said = proof.statement
    if proof.file != file or proof.text.encode() != raw.replace(b"\r\n", b"\n") or said.answer != "approve":
        return Discrepancy(
            "proof_unreadable", file, "it is not the file that wfe-mcp writes for this approval", said.run
        )
    then = pinned.at(said.approvers)
    if then is None:
        return Discrepancy(
            "key_unknown", file, f"it was signed under keys that {APPROVERS} does not go on from", said.run
        )
    key = then.keys.get(proof.assertion.id)
    if key is None:
        return Discrepancy("key_unknown", file, "the key that signed it was not pinned then", said.run)
    known = before.pinned.keys | pinned.keys
    if before.is_given and file not in before.proofs and key.id not in known:
        return Discrepancy("key_removed", file, f"{key.name!r}, which signed it, had been taken out before", said.run)
    try:
        signed(proof.assertion, said.model_dump(), key.public_key)
    except Refused as refused:
        if refused.code == "unavailable":
            raise
        return Discrepancy("signature_wrong", file, f"{key.name!r} did not sign this: {refused.message}", said.run)
    return Proven(file, proof, key)


def _newest(held: Iterable[Proven]) -> dict[str, Proven]:
    """Each approved file with its newest proof."""
    ordered = sorted(held, key=lambda one: (one.proof.statement.at, one.file))
    return {path: one for one in ordered for path in one.proof.statement.files}


def _unlike_file(root: Path, path: str, proven: Proven) -> Iterator[Discrepancy]:
    said = proven.proof.statement
    by = f"{proven.key.name!r} approved in {proven.file}"
    try:
        raw = read_if_there(root, path, _FILE_BYTES)
    except Refused as refused:
        yield Discrepancy("artifact_changed", path, f"it is not what {by}: {refused.message}", said.run)
        return
    if raw is None:
        yield Discrepancy("artifact_missing", path, f"{by} is not there", said.run)
    # Git may have given it the line ends of the system.
    elif said.files[path] not in {sha256_hex(raw), sha256_hex(raw.replace(b"\r\n", b"\n"))}:
        yield Discrepancy("artifact_changed", path, f"it is not what {by}", said.run)


def _base(root: Path, ref: str) -> _Base:
    """Keys and proofs as ``ref`` has them. Refuses ``bad_argument``: no such commit."""
    commit = text_of(run_git(root, "rev-parse", "--verify", "-q", "--end-of-options", f"{ref}^{{commit}}", ok=None))
    if not commit:
        raise Refused(
            "bad_argument", f"There is no commit {ref!r} in this repository.", "Fetch it first: git fetch origin"
        )
    shown = run_git(root, "show", f"{commit}:./{APPROVERS}", ok=None)
    pinned = chain_of(shown.stdout) if shown is not None and shown.returncode == 0 else Pinned()
    listed = text_of(run_git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", APPROVALS))
    return _Base(pinned, frozenset(name for name in listed.split("\0") if name), is_given=True)


def _unlike_base(root: Path, pinned: Pinned, before: _Base) -> Iterator[Discrepancy]:
    if before.pinned.changes and pinned.at(before.pinned.head) is None and approvers_file(root) is None:
        yield Discrepancy("approvers_rewritten", APPROVERS, "the keys that were pinned are gone")
    elif before.pinned.changes and pinned.at(before.pinned.head) is None:
        yield Discrepancy("approvers_rewritten", APPROVERS, "it does not go on from the keys that were pinned")
    for file in sorted(before.proofs):
        if not (root / file).is_file():
            yield Discrepancy("proof_deleted", file, "the proof was there, and is gone", file.split("/")[2])
