"""The files in schemas/ match the models."""

from pathlib import Path

import pytest

from scripts.generate_schemas import FOLDER, differences, documents, main
from wfe_mcp.artifacts.registry import SHIPPED
from wfe_mcp.core.public_events import EVENTS


def test_the_schemas_folder_equals_the_models() -> None:
    assert differences(FOLDER) == [], "Next: python scripts/generate_schemas.py"
    assert set(documents()) == {f"{name}.schema.json" for name in (*SHIPPED, *(f"event.{each}@1" for each in EVENTS))}


def test_the_generator_writes_what_differs_and_check_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone@1.schema.json").write_text("{}")
    assert main(["--check"], tmp_path) == 1
    assert "schemas/plan@1.schema.json" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert not (tmp_path / "gone@1.schema.json").exists()
    assert main(["--check"], tmp_path) == 0
    assert main(["--wrong"], tmp_path) == 2
