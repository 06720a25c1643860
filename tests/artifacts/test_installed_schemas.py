"""Schemas from installed packages: broken packages, and forms that shipped schemas do not use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages import install, on_the_path
from wfe_mcp.artifacts.registry import model_of
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused

PETS = """
from typing import Annotated, Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Part, example


class Cat(Part):
    kind: Literal["cat"]
    lives: int


class Dog(Part):
    kind: Literal["dog"]
    tricks: list[str]


class Pets(Artifact):
    model_config = example({"pets": [{"kind": "cat", "lives": 9}]})

    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    with on_the_path(tmp_path / "site") as found:
        yield found


def test_a_schema_whose_package_is_broken_is_unavailable_and_names_who_fixes_it(site: Path) -> None:
    install(
        site, "acme-odd", {"wfe_mcp.artifact_schemas": {"acme.odd@1": "odd_schema:Odd"}}, {"odd_schema.py": "x = 1\n"}
    )

    with pytest.raises(Refused) as refused:
        model_of("acme.odd@1")

    assert (refused.value.code, "wfe-mcp doctor" in refused.value.hint) == ("unavailable", True)
    assert "acme-odd 1.0" in refused.value.message


def test_a_fault_in_a_form_that_ours_never_have_is_reported_all_the_same(site: Path) -> None:
    install(site, "acme-pets", {"wfe_mcp.artifact_schemas": {"acme.pets@1": "acme_pets:Pets"}}, {"acme_pets.py": PETS})

    faults = validate("acme.pets@1", {"pets": [{"kind": "cat", "lives": "nine"}, {"kind": "cow"}]}).faults

    assert len(faults) == 2
    assert all(fault.path.startswith("/pets/") and fault.message for fault in faults)
    assert validate("acme.pets@1", {"pets": [{"kind": "cat", "lives": 9}]}).faults == ()
