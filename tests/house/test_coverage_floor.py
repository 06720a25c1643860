"""scripts/coverage_floor.py enforces each package's minimum coverage."""

import json
from pathlib import Path

import pytest

from scripts import coverage_floor


def measured(ran: int, missing: list[int], missing_branches: list[list[int]]) -> coverage_floor.MeasuredFile:
    return {
        "summary": {
            "covered_lines": ran,
            "num_statements": ran + len(missing),
            "covered_branches": 2,
            "num_branches": 2 + len(missing_branches),
        },
        "missing_lines": missing,
        "missing_branches": missing_branches,
    }


def test_one_branch_that_never_ran_is_too_much_in_the_core_and_fine_elsewhere() -> None:
    gap = measured(98, [], [[7, -1]])

    assert coverage_floor.groups_below({"wfe_mcp/core/model.py": gap}) == {"core": pytest.approx(99.0, abs=0.1)}
    assert coverage_floor.groups_below({"wfe_mcp/jobs/worker.py": gap}) == {}


def test_the_rest_is_judged_as_one() -> None:
    files = {
        "wfe_mcp/cli/main.py": measured(18, list(range(20)), []),
        "wfe_mcp/store/schema/tables.py": measured(500, [], []),
        "wfe_mcp/__main__.py": measured(2, [], []),
    }

    assert coverage_floor.groups_below(files) == {}


def test_a_report_below_its_floor_names_what_never_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "coverage.json"
    report.write_text(json.dumps({"files": {"wfe_mcp/artifacts/parse.py": measured(8, [3, 9], [[5, -1], [5, 6]])}}))

    assert coverage_floor.main([str(report)]) == 1
    assert "wfe_mcp/artifacts/parse.py: 3, 9, 5->exit, 5->6" in capsys.readouterr().out
