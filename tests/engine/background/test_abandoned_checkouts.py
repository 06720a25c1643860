"""What a killed process left behind is removed when the next one starts."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import wfe_mcp
from tests.engine.scene import Scene
from wfe_mcp.engine.background.daemon import tend_open_runs

KILLED = """
import os, pathlib, signal, sys
from wfe_mcp.jobs.sandbox import checkout_folder
from wfe_mcp.workspace.system.temporary import temporary_folder
manager, other = checkout_folder(pathlib.Path(sys.argv[1])), temporary_folder("trial")
(manager.__enter__().files / "kept").write_text("x")
other.__enter__()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed by a signal")
def test_a_start_removes_the_folders_of_a_killed_process(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False, env={**os.environ, "TMPDIR": str(place)})
    assert len(list(place.glob("wfe-checkout-*/files/kept"))) == len(list(place.glob("wfe-trial-*"))) == 1
    copies = [place / "wfe-index-old", place / "wfe-index-new"]  # of git's index, for one call of git
    for copy in copies:
        copy.mkdir()
    os.utime(copies[0], (1, 1))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    tend_open_runs(scene.engine)
    assert list(place.iterdir()) == copies[1:]


INDEX = {"workspace/git/repository.py", "workspace/git/snapshot.py"}
OF_THE_USER = {"cli/terminal/confirm.py"}
"""A text that is open in the user's editor stays where it is."""


def test_no_other_temporary_folder_is_made() -> None:
    package = Path(wfe_mcp.__file__).parent
    made = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"mkdtemp|TemporaryDirectory", path.read_text(encoding="utf-8"))
    }
    assert made == {"workspace/system/temporary.py", "testing/demo.py", *OF_THE_USER, *INDEX}
