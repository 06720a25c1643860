"""A kind of step that lacks a part is named when it is imported."""

import subprocess
import sys

import pytest

MADE = "from wfe_mcp.workflow import step_kinds as s; s.STEP_KINDS['shell'] = s.StepKind(is_repeatable=False"
NEW = f"{MADE}, acts_outside=True);"


@pytest.mark.usefixtures("real_processes")
@pytest.mark.parametrize(
    ("module", "lacks"),
    [
        ("wfe_mcp.engine.phases.step_calls", "the step kind 'shell' lacks its call"),
        ("wfe_mcp.workflow.model.steps", "the step kind 'shell' lacks its key in Step"),
    ],
)
def test_a_kind_of_step_that_lacks_a_part_fails_at_import_with_its_name(module: str, lacks: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{NEW} import {module}"], capture_output=True, text=True, check=False, timeout=60
    )

    assert lacks in done.stderr


@pytest.mark.usefixtures("real_processes")
def test_a_kind_of_step_says_whether_it_acts_outside_the_run() -> None:
    program = f"{NEW} print(s.acts_outside('shell ls'))"
    known, silent = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
        for code in (program, f"{MADE})")
    )

    assert known.stdout.strip() == "True"
    assert "acts_outside" in silent.stderr
