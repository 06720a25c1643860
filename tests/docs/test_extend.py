"""The page on packages shows the sample package as it is; tests/engine/templates/test_plugins.py installs and runs that."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tests.docs.conftest import ROOT, blocks_of
from wfe_mcp.workflow.model.gates import Gate
from wfe_mcp.workflow.model.steps import Step

PAGE = ROOT / "docs" / "how-to" / "extend-with-a-package.md"
SAMPLE = ROOT / "docs" / "examples" / "acme-wfe"


CONFIGURATION = '[providers.offline]\nkind = "acme.models"\n\n[roles.reader]\nprovider = "offline"\n'
"""What the page has a person write; tests/engine/templates/test_plugins.py runs the template with it."""


def reported(*suffixes: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(SAMPLE.rglob("*")) if path.suffix in suffixes]


def test_what_the_page_shows_is_in_the_sample_package() -> None:
    shown = [block for block in blocks_of(PAGE) if block.language in {"python", "toml"} and block.text != CONFIGURATION]

    assert len(shown) >= 5
    assert [block.place for block in shown if not any(block.text in text for text in reported(".py", ".toml"))] == []


def test_the_gate_and_the_step_of_the_page_are_those_of_its_template() -> None:
    template: dict[str, Any] = json.loads(
        Path(SAMPLE / "src/acme_wfe/ticket/template.json").read_text(encoding="utf-8")
    )
    gate, step = [json.loads(block.text) for block in blocks_of(PAGE) if block.language == "json"]

    assert TypeAdapter[Any](Gate).validate_python(gate).kind == "plugin"
    assert Step.model_validate(step).builtin == "acme.slug"
    assert gate in template["phases"][0]["gates"]
    assert step in template["phases"][1]["steps"]
