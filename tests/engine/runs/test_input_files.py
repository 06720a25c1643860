"""Inputs that name files are checked when a run starts."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, Scene, phase, refused
from wfe_mcp.engine.runs.start import start_run

INPUTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "schema_file": {"type": "string", "format": "path"},
        "more": {"type": "array", "items": {"type": "string", "format": "path"}},
        "name": {"type": "string"},
    },
}


@pytest.fixture
def defined(scene: Scene) -> Scene:
    scene.define(phase("plan"), schema=INPUTS)
    scene.write("db/migration/V7__invoice.sql", "create table invoice ()")
    return scene


@pytest.mark.requirement("S0-48")
@pytest.mark.parametrize(
    ("given", "place", "near"),
    [
        ({"schema_file": "db/migration/V7_invoice.sql"}, "/inputs/schema_file", "db/migration/V7__invoice.sql"),
        ({"schema_file": "V7__invoice.sq"}, "/inputs/schema_file", "db/migration/V7__invoice.sql"),
        ({"more": ["db", "nope"]}, "/inputs/more/1", None),
        ({"schema_file": "../outside.sql"}, "/inputs/schema_file", None),
    ],
)
def test_a_file_that_is_not_there_is_refused_at_the_start_with_the_nearest_one(
    defined: Scene, given: dict[str, Any], place: str, near: str | None
) -> None:
    no = refused(start_run, defined.engine, AGENT, "drill", given)
    (detail,) = no.details
    assert (no.code, detail.path, detail.expected) == ("bad_argument", place, near)
    assert no.hint == (f"Did you mean {near}?" if near else "Name a file of the project, relative to its folder.")


def test_files_and_folders_of_the_project_and_texts_that_are_none_start_a_run(defined: Scene) -> None:
    given = {"schema_file": "db/migration/V7__invoice.sql", "more": ["db"], "name": "nope.sql"}
    for inputs in (given, {"schema_file": ""}):
        assert start_run(defined.engine, AGENT, "drill", inputs).state.status == "running"


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3_000, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused_as_one_that_is_not_there(defined: Scene, name: str) -> None:
    no = refused(start_run, defined.engine, AGENT, "drill", {"schema_file": name})
    assert no.code == "bad_argument"
    assert len(no.message) < 400
