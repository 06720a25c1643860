"""The page on workers matches their code."""

from pathlib import Path

import pytest

from scripts import generate_workers_page
from wfe_mcp.engine.toolbox import TOOLS


def test_the_page_on_workers_is_what_the_code_says(root: Path) -> None:
    assert generate_workers_page.main(["--check"], root) == 0, "Next: python scripts/generate_workers_page.py"
    assert all(f"| `{name}`" in generate_workers_page.page() for name in TOOLS)


def test_a_stale_page_is_named_by_the_check_and_written_by_the_generator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate_workers_page.main(["--check"], tmp_path) == 1
    assert generate_workers_page.PAGE in capsys.readouterr().err
    assert not (tmp_path / generate_workers_page.PAGE).exists()
    assert generate_workers_page.main([], tmp_path) == 0
    assert generate_workers_page.main(["--check"], tmp_path) == 0
    assert generate_workers_page.main(["--chek"], tmp_path) == 2
