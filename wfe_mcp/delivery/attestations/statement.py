"""The three kinds of statements about a commit, by the fields of their specifications.

    test-result/v0.1      one check and how it ended                       signed by the server's key
    svr/v0.2              the gates that passed                            signed by the server's key
    person-decision/v1    what a person decided, as their own key signed   the person's signature is inside it

``.invalid`` is reserved (RFC 2606): no one else can ever own the addresses that name what is ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wfe_mcp.delivery.attestations.envelope import STATEMENT_TYPE

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
VERIFIED = "https://in-toto.io/attestation/svr/v0.2"
DECISION = "https://wfe-mcp.invalid/attestation/person-decision/v1"
VERIFIER = "https://wfe-mcp.invalid/verifier/gates/v1"
"""Who verified, in ``svr``: the gates of a run. Another version where what they mean changes."""


def statement(tree: str, commit: str, predicate_type: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """A statement about ``tree``, and about ``commit`` where one is given: a commit of other files is never a subject."""
    subject = [{"name": "tree", "digest": {"gitTree": tree}}]
    subject += [{"name": "commit", "digest": {"gitCommit": commit}}] if commit else []
    return {"_type": STATEMENT_TYPE, "subject": subject, "predicateType": predicate_type, "predicate": predicate}


def decision(signed: str, signature: str | Mapping[str, str]) -> dict[str, Any]:
    """A person's decision. ``signed``: the text, byte by byte; ``signature``: base64url, or a passkey's answer."""
    return {"statement": signed, "signature": signature}


def check_result(name: str, sha256: str, result: str) -> dict[str, Any]:
    """The result of one check: PASSED, WARNED or FAILED. ``sha256``: of its evidence's data."""
    return {"result": result, "configuration": [{"name": name, "digest": {"sha256": sha256}}]}


def verdict_predicate(template: str, sha256: str, at: str, properties: Sequence[str]) -> dict[str, Any]:
    """The gates that passed, by name. ``sha256``: the digest of the template that defines them; ``at``: RFC 3339, UTC."""
    policies = [{"name": template, "digest": {"sha256": sha256}}]
    return {"verifier": {"id": VERIFIER, "policies": policies}, "timeCreated": at, "properties": list(properties)}
