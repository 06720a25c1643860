"""A kind of step that lacks a part is named when it is imported."""

import subprocess
import sys

import pytest

NEW = "from wfe_mcp.workflow import step_kinds as s; s.STEP_KINDS['shell'] = s.StepKind(is_repeatable=False);"


@pytest.mark.usefixtures("real_processes")
@pytest.mark.parametrize(
    ("module", "lacks"),
    [
        ("wfe_mcp.engine.phases.step_calls", "the step kind 'shell' lacks its call"),
        ("wfe_mcp.workflow.model", "the step kind 'shell' lacks its key in Step"),
    ],
)
def test_a_kind_of_step_that_lacks_a_part_fails_at_import_with_its_name(module: str, lacks: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{NEW} import {module}"], capture_output=True, text=True, check=False, timeout=60
    )

    assert lacks in done.stderr
