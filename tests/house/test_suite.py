"""tests/conftest.py: what a run of the suite leaves behind."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

LEFT = """
import subprocess, sys

def test_that_fails_beside_a_process():
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    open("pid", "w").write(str(process.pid))
    assert process.pid == 0
"""

SETTINGS = """
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_failed_test_leaves_no_process_and_no_warning_about_it(root: Path, tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_left.py").write_text(LEFT, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    # -s: xdist's workers show what they say at their end
    options = ["-q", "-s", "-n", workers, "-p", "tests.conftest", "-p", "no:cacheprovider", "test_left.py"]
    argv = [
        sys.executable,
        "-c",
        f"import sys, pytest; sys.path.append({str(root)!r}); sys.exit(pytest.main({options}))",
    ]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 1, done
    assert "still running" not in done.stdout + done.stderr
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text(encoding="utf-8")))
