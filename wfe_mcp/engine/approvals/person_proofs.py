"""Approvals signed by a person's key, as files of the project: for git, and for ``verify --approvals`` without a database.

    DecisionSigned of an approval ──► .wfe/approvals/<run>/<phase path>/<attempt>-<request>.json

Rules:
1. They are written where the project pins the key, beside the proofs of passkeys. The log has each of them too, so a file
   that a crash kept from being written is written with the next approval of the run.
2. ``statement`` is the signed JSON value; the signature is over its text by RFC 8785 (``signed_text``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.canonical import signed_text
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Signature
from wfe_mcp.engine.approvals.approvers import approvers_here, person_keys
from wfe_mcp.engine.approvals.proofs import proof_file
from wfe_mcp.engine.approvals.statements import ParsedStatement, read_statement

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.runs import LoadedRun

FORMAT = "wfe-signed/1"


def write_proofs(engine: Engine, loaded: LoadedRun) -> None:
    """Write the signed approvals of a run that the project has no file of. Nothing where it pins no person's key."""
    from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

    root = Path(loaded.record.worktree)
    try:
        pinned = person_keys(approvers_here(root))
    except Refused:  # a void file is named wherever it matters
        return
    if not pinned:
        return
    with engine.store.read() as tx:
        events = tx.events.of_types(loaded.record.id, "DecisionSigned")
    for event in events:
        signature = Signature(str(event.payload["statement"]), str(event.payload["signature"]))
        statement = read_statement(signature.statement)
        if statement is None or statement.values["kind"] != "approve" or statement.key not in pinned:
            continue
        file = file_of(statement)
        if file is not None and read_if_there(root, file) is None:
            write_atomic(root, file, text_of(statement, signature.signature))


def file_of(statement: ParsedStatement) -> str | None:
    """The path of its file in the project; None for a statement that approves nothing."""
    try:
        decision = statement.values["decision"][0]
        return proof_file(
            str(statement.values["run"]),
            str(decision["phase"]),
            int(decision["attempt"]),
            str(statement.values["request"]["id"]),
        )
    except (LookupError, TypeError, ValueError):
        return None


def text_of(statement: ParsedStatement, signature: str) -> str:
    """The one text of its file."""
    document = {"format": FORMAT, "statement": statement.values, "signature": signature}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read_proof(value: object) -> tuple[ParsedStatement, Signature] | None:
    """The statement and signature in the JSON of a file; None for anything else."""
    if not isinstance(value, dict):
        return None
    found = cast("dict[str, Any]", value)
    if found.keys() != {"format", "statement", "signature"} or found["format"] != FORMAT:
        return None
    try:
        text = signed_text(found["statement"])
    except (ValueError, AttributeError):
        return None
    statement = read_statement(text)
    return None if statement is None else (statement, Signature(text, str(found["signature"])))
