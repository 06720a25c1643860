"""The templates that the catalogue finds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workflow.catalogue import project_templates, shipped_templates
from wfe_mcp.workflow.lint import lint
from wfe_mcp.workflow.load import digest, load_definition

Document = dict[str, Any]


def store(root: Path, name: str, document: object) -> Path:
    file = root / ".wfe" / "templates" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def test_a_project_has_templates_as_folders_and_files(plain: Document, tmp_path: Path) -> None:
    store(tmp_path, "plain/template.json", plain)
    store(tmp_path, "other.json", {**plain, "name": "other"})
    store(tmp_path, "notes.txt", {})

    found = project_templates(tmp_path)

    assert [(entry.name, entry.origin, entry.path.name) for entry in found] == [
        ("other", "project", "other.json"),
        ("plain", "project", "plain"),
    ]
    assert found[1].read().value == plain
    assert found[1].read().sha256 == digest(plain)


def test_a_project_without_templates_has_none(tmp_path: Path) -> None:
    assert project_templates(tmp_path) == ()


def test_a_link_in_the_catalogue_is_left_out(plain: Document, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps(plain), encoding="utf-8")
    store(tmp_path, "other.json", {**plain, "name": "other"})
    try:
        (tmp_path / ".wfe" / "templates" / "plain.json").symlink_to(elsewhere)
    except OSError:
        pytest.skip("this system lets nobody make links")

    assert [entry.name for entry in project_templates(tmp_path)] == ["other"]


def test_a_template_under_another_name_than_its_own_is_refused(plain: Document, tmp_path: Path) -> None:
    store(tmp_path, "other.json", plain)

    with pytest.raises(Refused) as answer:
        project_templates(tmp_path)[0].read()

    assert answer.value.details[0].path == "/name"


def test_every_shipped_template_can_run() -> None:
    assert {entry.name: lint(entry.read().value).errors for entry in shipped_templates()} == {
        entry.name: () for entry in shipped_templates()
    }


def test_what_is_shipped_reads_the_same_without_the_parser_that_refuses_ambiguous_json() -> None:
    read = {entry.name: entry.read().value for entry in shipped_templates()}

    assert read == {entry.name: load_definition(entry.path) for entry in shipped_templates()}


def test_listing_templates_loads_neither_models_nor_engines_of_expressions_and_schemas() -> None:
    script = "import sys, wfe_mcp.workflow.catalogue; print(*sys.modules)"
    listed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, encoding="utf-8")

    assert not {"pydantic", "cel_expr_python", "jsonschema_rs"} & set(listed.stdout.split())
