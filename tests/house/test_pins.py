"""scripts/pins.py and pyproject.toml match the versions that uv resolved."""

import re
import tomllib
from pathlib import Path

from scripts import pins

LOCK = """
[[package]]
name = "wfe-mcp"
source = { editable = "." }

[[package]]
name = "old"
version = "1.0"
source = { registry = "somewhere" }
resolution-markers = ["python_full_version < '3.12'"]

[[package]]
name = "old"
version = "2.0"
source = { registry = "somewhere" }
resolution-markers = ["python_full_version >= '3.14'", "python_full_version >= '3.12'"]

[[package]]
name = "mcp"
version = "2.3.0"
source = { registry = "somewhere" }
"""
PROJECT = f"""[tool.uv]
constraint-dependencies = [
{pins.BEGIN}  "gone==0.1",
{pins.END}]

[tool.other]
kept = true
"""


def test_a_pin_is_a_name_a_version_and_the_platforms_it_is_for() -> None:
    assert pins.pins_of(LOCK) == [
        "mcp==2.3.0",
        "old==1.0 ; (python_full_version < '3.12')",
        "old==2.0 ; (python_full_version >= '3.14') or (python_full_version >= '3.12')",
    ]


def test_writing_pins_replaces_the_old_ones_and_touches_nothing_else() -> None:
    written = pins.with_pins(PROJECT, pins.pins_of(LOCK))

    assert pins.pins_in(written) == pins.pins_of(LOCK)
    assert pins.with_pins(written, ["gone==0.1"]) == PROJECT


def test_every_dependency_that_we_declare_is_pinned(root: Path) -> None:
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)
    declared = [
        *project["project"]["dependencies"],
        *(name for extra in project["project"]["optional-dependencies"].values() for name in extra),
        *(name for group in project["dependency-groups"].values() for name in group),
    ]
    pinned = pins.pins_in(text)

    assert pinned == sorted(pinned)
    assert {name_of(entry) for entry in declared} - {name_of(pin) for pin in pinned} == set()
    assert [pin for pin in pinned if "==" not in pin] == []


def test_a_server_of_a_team_takes_passkeys(root: Path) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]

    assert set(extras["passkey"]) <= set(extras["team"])


def test_every_dependency_has_a_floor(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert [entry for entry in project["dependencies"] if ">=" not in entry] == []


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")
