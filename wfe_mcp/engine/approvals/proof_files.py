"""Signed approvals as files of the project: for git, and for ``verify --approvals`` without a database.

    DecisionSigned of an approval ──► .wfe/approvals/<run>/<phase path>/<attempt>-<request>.json
    of one that several people give   …/<attempt>-<request>-<12 characters of the statement's sha256>.json

Rules:
1. They are written where the project pins the key that signed. The log has each of them too, so a file that a crash kept
   or a folder that is in the way kept from being written is written when a process next looks after the run, or with its
   next approval.
2. ``statement`` is the signed JSON value; ``signature`` a text, or the answer of a passkey's authenticator.
"""

import json
import logging
from pathlib import Path
from typing import Any, cast

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.canonical import canonical_json, sha256_hex, signed_text
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Signature
from wfe_mcp.engine.approvals.approvers import approvers_here
from wfe_mcp.engine.approvals.earlier_proofs import read_earlier_proof
from wfe_mcp.engine.approvals.statements import SignedStatement, Statement, read_signed
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic
from wfe_mcp.workspace.git.command import output_of, repository

log = logging.getLogger("wfe_mcp.engine")

APPROVALS = ".wfe/approvals"
FORMAT = "wfe-signed/1"
_MOST_BYTES = 50_000_000


def write_proofs(engine: Engine, run: str) -> None:
    """Write the signed approvals of a run that the project has no file of. Nothing where it pins none of their keys."""
    with engine.store.read() as tx:
        record = engine.load(tx, run).record
        root = Path(record.worktree)
        try:
            pinned = {change.key.id for change in approvers_here(root).changes}
        except Refused:  # a void file is named wherever it matters
            return
        events = tx.events.of_types(record.id, "DecisionSigned") if pinned else []
    for event in events:
        proof = read_signed(Signature(str(event.payload["statement"]), str(event.payload["signature"])))
        if proof is None or proof.key not in pinned:
            continue
        if (proof.statement.run, proof.statement.values["kind"]) != (record.id, "approve"):
            continue
        file = file_of(proof.statement)
        if file is not None:
            try:
                _write_proof(root, file, _text(_document(proof)))
            except (Refused, OSError) as fault:  # the approval counts all the same: the log of the run has it
                log.warning("the signed approval %s of %s was not written: %s", file, root, fault)


def _write_proof(root: Path, file: str, text: str) -> None:
    before = read_if_there(root, file)
    if before is None or not _is_spelled(before, text):
        write_atomic(root, file, text)


def uncommitted_proofs(worktree: str, run: str) -> str:
    """The folder with the signed approvals of a run where git has not all of them; empty otherwise, and without git."""
    root, folder = Path(worktree), f"{APPROVALS}/{run}"
    if not (root / folder).is_dir() or repository(root) is None:
        return ""
    return folder if output_of(root, "ls-files", "--others", "--exclude-standard", "--", folder) else ""


def file_of(statement: Statement) -> str | None:
    """The path of its file, relative to the project's root; None for a statement that approves nothing."""
    try:
        decision, request = statement.values["decision"][0], statement.values["request"]["id"]
        own = f"-{sha256_hex(signed_text(statement.values))[:12]}" if people_of(statement) > 1 else ""
        return f"{APPROVALS}/{statement.run}/{decision['phase']}/{int(decision['attempt'])}-{request}{own}.json"
    except (LookupError, TypeError, ValueError):
        return None


def people_of(statement: Statement) -> int:
    """How many people had to approve, as the signed statement says."""
    people = statement.values["decision"][0].get("people", 1)
    return people if type(people) is int else 1


def read_proof(raw: bytes) -> SignedStatement | None:
    """The statement and signature in the bytes of a file; None for anything else."""
    try:
        value = cast("dict[str, Any]", parse_json(raw, max_bytes=_MOST_BYTES))
        if value.keys() != {"format", "statement", "signature"} or value["format"] != FORMAT:
            return read_earlier_proof(value)
        signature = value["signature"]
        return read_signed(
            Signature(
                signed_text(value["statement"]), signature if isinstance(signature, str) else canonical_json(signature)
            )
        )
    except (Refused, ValueError, AttributeError):
        return None


def is_as_written(raw: bytes) -> bool:
    """True when ``raw`` spells its JSON as this program does; git may have given it the line ends of the system."""
    return _is_spelled(raw, _text(parse_json(raw, max_bytes=_MOST_BYTES)))


def _document(proof: SignedStatement) -> dict[str, Any]:
    signature = proof.signature if isinstance(proof.signature, str) else proof.signature.model_dump()
    return {"format": FORMAT, "statement": proof.statement.values, "signature": signature}


def _text(document: object) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _is_spelled(raw: bytes, text: str) -> bool:
    return raw.replace(b"\r\n", b"\n") == text.encode()
