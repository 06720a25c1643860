"""A worker asks the project's own checks."""

import sys
from pathlib import Path

import pytest

from tests.engine.toolbox.conftest import EVIDENCE, Worker
from wfe_mcp.workspace.config.checks import FrozenCheck


def checked(root: Path, code: str, timeout_s: float = 60) -> Worker:
    return Worker(root, checks=[FrozenCheck(name="test", argv=(sys.executable, "-c", code), timeout_s=timeout_s)])


@pytest.mark.requirement("S1-28")
def test_a_check_that_passes_shows_what_it_printed(root: Path) -> None:
    answer = checked(root, "print('all 3 fine')").says("run_check", check="test")
    assert "exit 0" in answer and "all 3 fine" in answer


def test_a_check_that_fails_says_how_and_where_all_of_it_is(root: Path) -> None:
    worker = checked(root, "print('x ' * 40_000); print('the cause'); raise SystemExit(3)")
    answer = worker.refuses("run_check", check="test")
    assert "exit 3" in answer and "the cause" in answer
    log = answer.rpartition('read(path="')[2].removesuffix('")]')
    assert log.startswith(EVIDENCE)
    assert "the cause" in worker.says("read", path=log)


def test_only_frozen_checks_run(root: Path) -> None:
    answer = checked(root, "").refuses("run_check", check="rm -rf /")
    assert "do not fit" in answer and "test" in answer


def test_a_check_ends_at_its_time_limit(root: Path) -> None:
    worker = checked(root, "import time; print('so far', flush=True); time.sleep(600)", timeout_s=0.5)
    assert "its timeout" in worker.refuses("run_check", check="test")
