"""The first changes in the process that starts a run: what they load, they load before others have to wait for them."""

import subprocess
import sys
from pathlib import Path

import pytest

FIRST_CHANGES = """
import sys
from pathlib import Path
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.phases.claim import start_phase
from wfe_mcp.engine.phases.submit import submit
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.store.driver import driver
from wfe_mcp.workspace.system.location import project_at

root = sys.argv[1]
database = f"{root}/wfe.db"
engine = create_engine(project_at(Path(root)), environment={"WFE_DATABASE_URL": f"sqlite:///{database}", "HOME": root})
engine.store.close()
other, late = driver().connect(database, timeout=0, isolation_level=None), []

class Watcher:
    def find_spec(self, name, path=None, target=None):
        try:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        except other.OperationalError:
            late.append(name)

sys.meta_path.insert(0, Watcher())
by = By("agent", Channel.MCP, Assurance.AGENT)
run = start_run(engine, by, "compound", {"goal": "g"}).record.id
print("start", late)
start_phase(engine, by, run, "plan")
print("claim", late)
spec = {"title": "t", "goal": "g", "requirements": [{"id": "R-1", "text": "The greeting says hello."}]}
submit(engine, by, run, "plan", artifact=spec)
print("submit", late)
engine.close()
"""


@pytest.mark.usefixtures("real_processes")
def test_the_first_changes_in_a_process_load_nothing_while_others_wait_to_write(tmp_path: Path) -> None:
    words = [sys.executable, "-c", FIRST_CHANGES, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("start []\nclaim []\nsubmit []\n", "")
