"""The schema for editors and the page of the template format come from the models."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from scripts.template_page import NAMES, Key, sections
from wfe_mcp.workflow.form import template_schema
from wfe_mcp.workflow.lint import lint
from wfe_mcp.workflow.set_fields import NOT_YET

ROOT = Path(__file__).resolve().parents[2]
Document = dict[str, Any]


SECTIONS = sections()


def key(section: str, name: str) -> Key:
    return next(key for part in SECTIONS if part.title == section for key in part.keys if key.name == name)


def test_every_name_of_the_page_can_be_used_in_a_loop() -> None:
    """With the other names that its meaning lists: ``run.title``."""
    names = {*NAMES, *(name for words in NAMES.values() for name in re.findall(r"`([a-z]+\.[a-z_]+)`", words))}
    body: Document = {"id": "part", "prompt": " ".join(f"${{{name}}}" for name in sorted(names)), "context": ["plan"]}
    made = {"artifact": "part", "schema": "change@1"}
    steps: Document = {
        "id": "look",
        "kind": "steps",
        "steps": [{"id": "a", "builtin": "log", "assign": "issue", "params": {}}],
    }
    walk = {"in": "${artifacts.plan.steps}"}
    definition: Document = {
        "format": "wfe/1",
        "name": "names",
        "version": "1",
        "inputs": {"type": "object", "properties": {"goal": {"type": "string"}}},
        "phases": [
            {"id": "plan", "prompt": "Plan it.", "output": {"artifact": "plan", "schema": "plan@1"}},
            steps,
            {"id": "parts", "kind": "loop", "for_each": walk, "phases": [body | {"output": made}]},
        ],
    }
    assert len(names) > len(NAMES)
    assert lint(definition).errors == ()


def test_every_key_has_a_meaning_and_every_object_a_section() -> None:
    objects = {name for name in template_schema()["$defs"] if name != "Defaults"}

    assert [(part.title, key.name) for part in SECTIONS for key in part.keys if not (key.meaning and key.type)] == []
    assert all(part.meaning for part in SECTIONS)
    assert len(SECTIONS) == len(objects) + 1


@pytest.mark.parametrize(
    ("section", "name", "kind", "default", "required"),
    [
        ("template", "name", "text", "", True),
        ("template", "roles", "object of role", "", False),
        ("template", "phases", "list of phase", "", True),
        ("limits", "timeout", "duration", "", False),
        ("phase", "id", "text", "", True),
        ("phase", "when", "text (one `${…}`, true or false)", "", False),
        ("phase", "skip", "`never` `human` `agent`", '"human"', False),
        ("phase", "on_fail", "list of on_fail rule", "", False),
        ("phase", "output", "output", "", False),
        ("for_each", "in", "text (one `${…}`)", "", True),
        ("expect", "exit_code", "whole number or `nonzero`", "", False),
        ("git gate", "message", "text (may hold `${…}`)", "", False),
        ("http call", "body", "any JSON (may hold `${…}`)", "", False),
    ],
)
def test_a_key_is_reported_in_a_readers_words(section: str, name: str, kind: str, default: str, required: bool) -> None:
    answer = key(section, name)

    assert (answer.type, answer.default, answer.required) == (kind, default, required)


def test_what_is_not_available_yet_says_so_and_the_rest_does_not() -> None:
    assert key("on_fail compensate", "do").not_yet == ""
    assert key("loop phase", "kind").not_yet == ""
    assert key("approval gate", "assurance").not_yet == ""
    assert key("phase", "prompt").not_yet == ""
    assert sum(bool(key.not_yet) for part in SECTIONS for key in part.keys) == len(NOT_YET)


def test_kinds_of_phases_list_only_what_they_add() -> None:
    (loop,) = [part for part in SECTIONS if part.title == "loop phase"]

    assert [key.name for key in loop.keys] == ["kind", "for_each", "until", "phases"]


def test_the_schema_accepts_the_design_and_refuses_what_the_model_refuses(design: Document) -> None:
    schema = jsonschema_rs.validator_for(template_schema())

    assert schema.is_valid(design)
    design["phases"][0]["prompt"] = {"file": "prompts/plan.md"}
    assert schema.is_valid(design)
    design["phases"][0]["gatez"] = []
    assert not schema.is_valid(design)


def test_the_schema_in_the_repository_is_the_one_of_the_model() -> None:
    stored = (ROOT / "schemas" / "template.schema.json").read_text(encoding="utf-8")

    assert json.loads(stored) == template_schema()


def test_the_generator_writes_checks_and_explains_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "generate_template_schema.py"))
    main = script["main"]
    target = tmp_path / "schemas" / "template.schema.json"
    main.__globals__["TARGET"] = target

    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    target.write_text("{}", encoding="utf-8")
    assert main(["--check"]) == 1
    assert main(["--help"]) == 2
    assert "is out of date" in capsys.readouterr().err
