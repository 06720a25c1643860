"""scripts/coverage_floor.py enforces each package's minimum coverage, which tests/measured measures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import coverage_floor

ROOT = Path(__file__).parents[2]


def measured(ran: int, missing: list[int], missing_branches: list[list[int]]) -> coverage_floor.MeasuredFile:
    return {
        "summary": {
            "covered_lines": ran,
            "missing_lines": len(missing),
            "covered_branches": 2,
            "missing_branches": len(missing_branches),
        },
        "missing_lines": missing,
        "missing_branches": missing_branches,
    }


def test_one_branch_that_never_ran_is_too_much_in_the_core_and_fine_elsewhere() -> None:
    gap = measured(98, [], [[7, 0]])

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
    files = {"wfe_mcp/artifacts/parse.py": measured(8, [3, 9], [[5, 0], [5, 6]])}
    (tmp_path / "1.json").write_text(json.dumps({"files": files}))

    assert coverage_floor.main([str(tmp_path)]) == 1
    assert "wfe_mcp/artifacts/parse.py: 3, 9, 5->exit, 5->6" in capsys.readouterr().out


def test_a_folder_without_a_measurement_is_no_coverage(tmp_path: Path) -> None:
    assert coverage_floor.main([str(tmp_path)]) == 2


def test_processes_show_together_what_of_their_module_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {**os.environ, "WFE_MEASURED": str(tmp_path), "PYTHONPATH": str(ROOT / "tests/measured")}
    command = [sys.executable, "-P", "-m", "wfe_mcp.artifacts.isolated"]
    for question, code in ((b'{"schema": {}, "value": null}', 0), (b"{}", 1)):
        done = subprocess.run(command, input=question, cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode == code, done.stderr

    assert len(list(tmp_path.iterdir())) == 2
    assert coverage_floor.main([str(tmp_path)]) == 1
    gaps = capsys.readouterr().out.split("wfe_mcp/artifacts/isolated.py: ")[1].split("\n")[0].split(", ")
    lines = (ROOT / "wfe_mcp/artifacts/isolated.py").read_text().split("\n")
    refused = lines.index("    if was_ended:") + 1
    assert {str(refused), str(refused + 1), f"{refused}->{refused + 1}", f"{refused}->{refused + 2}"} <= set(gaps)
    assert str(lines.index("    sys.exit(main())") + 1) not in gaps


MODULE = "def sign(n):\n    if n < 0:\n        return -1\n    for _ in range(n):\n        return 1\n    return 0\n"
WORKER = """
import pathlib, sys
from tests.measured import sitecustomize
sitecustomize.PACKAGE = pathlib.Path.cwd() / "wfe_mcp"
write = sitecustomize.measure(pathlib.Path(sys.argv[1]))
sys.path.insert(0, "")
import wfe_mcp.signs
wfe_mcp.signs.sign(int(sys.argv[2]))
write()
"""


@pytest.mark.usefixtures("real_processes")
def test_workers_share_the_probes_and_each_notices_what_ran_in_it(tmp_path: Path) -> None:
    package, ran = tmp_path / "wfe_mcp", tmp_path / "ran"
    package.mkdir()
    for name in ("__init__", "never", "signs"):
        (package / f"{name}.py").write_text(MODULE, encoding="utf-8")

    def written(number: int, **more: str) -> dict[str, coverage_floor.MeasuredFile]:
        before = set(ran.glob("*.json"))
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **more}
        command = [sys.executable, "-c", WORKER, str(ran), str(number)]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60)
        (new,) = set(ran.glob("*.json")) - before
        return json.loads(new.read_text(encoding="utf-8"))["files"]

    alone = [written(number) for number in (2, 0, -1)]
    together = [written(number, PYTEST_XDIST_WORKER="gw0") for number in (2, 0, -1)]

    assert together == alone
    assert len({json.dumps(each["wfe_mcp/signs.py"]) for each in alone}) == 3
    assert len(list(ran.glob("code/*.code"))) == (3 if sys.version_info < (3, 12) else 0)
