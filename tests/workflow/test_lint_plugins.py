"""Lint of gates, schemas and actions from installed packages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.packages import install, install_sample, on_the_path
from wfe_mcp.workflow.lint import ProjectNames, lint

Document = dict[str, Any]
PROJECT = ProjectNames(frozenset({"test"}))


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Path]:
    with on_the_path(install_sample(tmp_path, tmp_path / "site")) as site:
        yield site


@pytest.fixture
def uses(plain: Document) -> Document:
    """A gate, a schema and an action of the sample package."""
    plain["phases"][0]["gates"] = [{"kind": "plugin", "use": "acme.no_todo", "with": {"words": ["TODO"]}}]
    plain["phases"][2]["output"]["schema"] = "acme.ticket@1"
    plain["phases"][2].pop("next")
    step = {"id": "slug", "builtin": "acme.slug", "params": {"text": "x"}, "output": {"schema": "acme.ticket@1"}}
    plain["phases"].append({"id": "name", "kind": "steps", "steps": [step]})
    return plain


def reported(definition: Document, project: ProjectNames | None = None) -> list[tuple[str, str]]:
    return [(detail.path, detail.message) for detail in lint(definition, project).errors]


def test_without_a_project_they_are_required(uses: Document) -> None:
    report = lint(uses)

    assert report.errors == ()
    assert report.requires.plugins == ("acme.no_todo", "acme.slug", "acme.ticket@1")


def test_in_a_project_what_is_not_installed_is_an_error(uses: Document) -> None:
    assert [path for path, _ in reported(uses, PROJECT)] == [
        "/phases/0/gates/0/use",
        "/phases/2/output/schema",
        "/phases/3/steps/0/builtin",
        "/phases/3/steps/0/output/schema",
    ]
    assert reported(uses, PROJECT)[0][1] == (
        "no installed package provides 'acme.no_todo'; install one that does (wfe-mcp doctor lists the installed ones)"
    )


def test_what_is_installed_is_known_down_to_its_fields(uses: Document, sample: Path) -> None:
    assert sample
    assert reported(uses, PROJECT) == []

    uses["phases"][2]["gates"] = [{"kind": "expr", "assert": "${artifacts.review.tilte != ''}"}]
    uses["phases"][0]["gates"][0]["use"] = "acme.no_tudo"

    assert [message.partition(";")[2] for _, message in reported(uses, PROJECT)] == [
        " did you mean 'acme.no_todo'?",
        " did you mean 'artifacts.review.title'?",
    ]


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ({"words": []}, ["/phases/0/gates/0/with/words"]),
        ({"word": ["TODO"]}, ["/phases/0/gates/0/with/word"]),
        ({"words": ["${inputs.goal}"], "word": 3}, []),
        ({"words": ["${inputs.gaol}"]}, ["/phases/0/gates/0/with/words/0"]),
    ],
)
def test_the_configuration_of_a_gate_is_checked_against_its_schema(
    uses: Document, sample: Path, given: Document, places: list[str]
) -> None:
    """Values that come from expressions are known when it judges."""
    assert sample
    uses["phases"][0]["gates"][0]["with"] = given

    assert [path for path, _ in reported(uses)] == places


def test_a_gate_without_a_namespace_and_unknown_keys_are_errors(uses: Document) -> None:
    uses["phases"][0]["gates"] = [{"kind": "plugin", "use": "no_todo"}, {"kind": "plugin", "use": "a.b", "word": 1}]

    assert reported(uses) == [
        ("/phases/0/gates/0/use", "no package provides the gate 'no_todo'; its name has the form namespace.name"),
        ("/phases/0/gates/1/word", "unknown key 'word'; there are 'delivery', 'kind', 'use', 'with'"),
    ]


MODELS = """
from pydantic import BaseModel
from wfe_mcp.artifacts.models.base import Artifact, Part, example
class Foreign(BaseModel):
    title: str
class Bare(Artifact):
    title: str
class Node(Part):
    inner: list["Node"] = []
class Tree(Artifact):
    root: Node
    model_config = example({"root": {}})
"""


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("Foreign", "derives from"),
        ("Bare", "has no example"),
        ("Tree", "cannot be generated"),
        ("Gone", "AttributeError"),
    ],
)
def test_a_schema_that_cannot_be_used_is_an_error_where_it_is_named(
    plain: Document, tmp_path: Path, model: str, words: str
) -> None:
    name = f"acme.{model.lower()}@1"
    entries = {"wfe_mcp.artifact_schemas": {name: f"odd_models:{model}"}}
    plain["phases"][2]["output"]["schema"] = name
    plain["phases"][2].pop("next")

    with on_the_path(install(tmp_path / "site", "acme-odd", entries, {"odd_models.py": MODELS})):
        ((path, message),) = reported(plain)

    assert (path, words in message) == ("/phases/2/output/schema", True), message
