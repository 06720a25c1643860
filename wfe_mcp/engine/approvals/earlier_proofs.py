"""Proofs of passkeys in the form of ADR 0019, which nothing writes any more: read as the statement of today.

The document is in the database, named by the event of an approval or by the answered request, or a file of the project.
"""

from typing import Any, Literal

from pydantic import Field, ValidationError

from wfe_mcp.engine.approvals.passkeys import Assertion, Strict
from wfe_mcp.engine.approvals.statements import FIELDS, PASSKEY, SignedStatement, Statement

_SHA256 = Field(pattern=r"^[0-9a-f]{64}$")


class _Template(Strict):
    name: str
    version: str
    sha256: str = _SHA256


class _Statement(Strict):
    """What was signed. ``shown`` is missing in the oldest ones, whose signed text has no such key."""

    format: Literal["wfe-approval/1"]
    answer: Literal["approve", "reject"]
    run: str
    phase: str
    attempt: int
    stage: str
    gate: int
    request: str
    revision: int
    sha256: str = _SHA256
    tree: str | None
    template: _Template
    files: dict[str, str]
    comment: str
    to: str
    approvers: str = _SHA256
    nonce: str
    at: str
    shown: str = ""


class _Proof(Strict):
    statement: _Statement
    assertion: Assertion


def read_earlier_proof(value: Any) -> SignedStatement | None:
    """The signed statement in the JSON of a proof; None for anything else."""
    try:
        proof = _Proof.model_validate(value)
    except ValidationError:
        return None
    signed = proof.statement
    decision = signed.model_dump(include={"phase", "attempt", "stage", "gate", "sha256", "to"}) | {"do": signed.answer}
    values = FIELDS | {
        "kind": signed.answer,
        "run": signed.run,
        "request": {"id": signed.request},
        "shown": signed.shown,
        "artifact": signed.sha256,
        "tree": signed.tree or "",
        "files": signed.files,
        "decision": [decision],
        "comment": signed.comment,
        "approvers": signed.approvers,
        "time": signed.at,
        "key": PASSKEY,
    }
    return SignedStatement(Statement(values), proof.assertion, value["statement"])
