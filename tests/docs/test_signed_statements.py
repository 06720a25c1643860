"""The page about signed statements: its test vectors, in our code and in another implementation of RFC 8785."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wfe_mcp.core.canonical import SIGNED_AS_CANONICAL_JSON, canonical_json, signed_text
from wfe_mcp.engine.approvals.statements import FORMAT, read_statement

PAGE = "docs/reference/signed-statements.md"


def blocks(root: Path) -> list[Any]:
    text = (root / PAGE).read_text(encoding="utf-8")
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_each_vector_has_the_text_of_rfc_8785_and_that_of_canonical_json(root: Path) -> None:
    for vector in blocks(root)[0]:
        assert rfc8785.dumps(vector["value"]).decode() == signed_text(vector["value"]) == vector["text"]
        assert canonical_json(vector["value"]) == vector.get("before", vector["text"])


def test_the_statements_of_today_and_of_before_verify_by_the_text_of_their_format(root: Path) -> None:
    today, before = blocks(root)[1:]
    assert (today["statement"]["format"], before["statement"]["format"]) == (FORMAT, "wfe-decision/1")
    assert rfc8785.dumps(today["statement"]).decode() == signed_text(today["statement"])
    for lines in (today, before):
        text = signed_text(lines["statement"])
        assert read_statement(text) is not None
        assert hashlib.sha256(text.encode()).hexdigest() == lines["sha256"]
        key = Ed25519PublicKey.from_public_bytes(raw(lines["public_key"]))
        assert hashlib.sha256(raw(lines["public_key"])).hexdigest() == lines["statement"]["key"]
        key.verify(raw(lines["signature"]), text.encode())
        with pytest.raises(InvalidSignature):
            key.verify(raw(lines["signature"]), text.replace("Fine.", "Good.").encode())


def test_a_statement_in_the_text_of_another_format_is_none(root: Path) -> None:
    today, before = (answer["statement"] for answer in blocks(root)[1:])
    assert read_statement(canonical_json(today)) is None
    assert read_statement(rfc8785.dumps(before).decode()) is None


def test_the_page_names_every_format(root: Path) -> None:
    page = (root / PAGE).read_text(encoding="utf-8")
    assert [each for each in (FORMAT, *SIGNED_AS_CANONICAL_JSON) if f"| `{each}` |" not in page] == []


@pytest.mark.requirement("S2-19")
def test_only_a_decision_on_steps_has_a_target(root: Path) -> None:
    statement = blocks(root)[1]["statement"]
    target = {"head": "7" * 40, "calls": [{"step": "merge", "action": "tool github.merge", "sha256": "8" * 64}]}

    with_target = read_statement(signed_text(statement | {"target": target}))
    assert with_target is not None
    assert with_target.values["target"] == target
    assert "target" not in statement
    assert read_statement(signed_text(statement)) is not None
    assert read_statement(signed_text(statement | {"target": "all"})) is None
    assert read_statement(signed_text(statement | {"other": {}})) is None
