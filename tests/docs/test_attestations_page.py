"""The page about attestations: its vectors in three verifiers, and the schema of a person's decision."""

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.delivery.attestations.signed import passkey, person
from tests.delivery.attestations.verifiers import ours, programs, theirs
from wfe_mcp.delivery.attestations.envelope import open_envelope

PAGE = "docs/reference/attestations.md"
SCHEMA = "schemas/person-decision.schema.json"


def vectors(root: Path) -> list[dict[str, Any]]:
    text = (root / PAGE).read_text(encoding="utf-8")
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


def test_each_vector_proves_to_three_verifiers_what_the_page_says(root: Path, tmp_path: Path) -> None:
    assert [each["by"] for each in vectors(root)] == [["ada"], []]
    for number, each in enumerate(vectors(root)):
        folder = tmp_path / str(number)
        folder.mkdir()
        file, bundle = folder / "approvers.json", folder / "one.intoto.jsonl"
        file.write_bytes((json.dumps(each["approvers"], indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())
        bundle.write_text(json.dumps(each["envelope"]) + "\n", encoding="utf-8")
        found = [ours(file.read_bytes(), bundle.read_bytes())]
        found += [theirs(program, folder, file, each["tree"])[bundle.name] for program in programs()]
        assert [[one[3] for one in each["decisions"]] for each in found] == [each["by"]] * len(found)


def test_the_decisions_of_the_page_and_of_passkeys_fit_the_schema(root: Path) -> None:
    schema: Any = Draft202012Validator(json.loads((root / SCHEMA).read_text(encoding="utf-8")))
    for each in vectors(root):
        found = open_envelope(json.dumps(each["envelope"]).encode())
        assert found is not None
        schema.validate(dict(found.predicate))
    for approver in (person("ada"), passkey("laptop")):
        schema.validate({"statement": "{}", "signature": approver.signature("{}")})
    assert not schema.is_valid({"statement": "{}", "signature": {}})
