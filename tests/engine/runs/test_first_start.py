"""The first start of a run in a process: what it loads, it loads before others have to wait for it."""

import subprocess
import sys
from pathlib import Path

import pytest

FIRST_START = """
import sys
from pathlib import Path
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.workspace.system.location import project_at

engine = create_engine(project_at(Path(sys.argv[1])), environment={"WFE_DATABASE_URL": sys.argv[2], "HOME": sys.argv[1]})
late = []

class Watcher:
    def find_spec(self, name, path=None, target=None):
        if engine._store is not None and engine._store.connections()[0]:
            late.append(name)

sys.meta_path.insert(0, Watcher())
run = start_run(engine, By("agent", Channel.MCP, Assurance.AGENT), "compound", {"goal": "g"})
print(run.record.status, [name for name in late if name.startswith("wfe_mcp.engine.")])
engine.close()
"""


@pytest.mark.usefixtures("real_processes")
def test_the_first_start_in_a_process_loads_no_capability_while_others_wait_to_write(tmp_path: Path) -> None:
    words = [sys.executable, "-c", FIRST_START, str(tmp_path), f"sqlite:///{tmp_path / 'wfe.db'}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("running []\n", "")
