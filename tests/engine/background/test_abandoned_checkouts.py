"""What a killed process left behind is removed when the next one starts."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.engine.scene import Scene
from wfe_mcp.engine.background.daemon import tend_open_runs

KILLED = """
import os, pathlib, signal, sys
from wfe_mcp.jobs.sandbox import checkout_folder
manager = checkout_folder(pathlib.Path(sys.argv[1]))
(manager.__enter__().files / "kept").write_text("x")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed by a signal")
def test_a_start_removes_the_checkout_of_a_killed_process(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False)
    assert len(list(place.glob("wfe-checkout-*/files/kept"))) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    tend_open_runs(scene.engine)
    assert list(place.iterdir()) == []
