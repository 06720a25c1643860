"""Real servers anchor what they did, also after one of them was killed."""

from tests.acceptance.scene import PROBLEM
from tests.jobs.conftest import until
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.testing.playground import Playground
from wfe_mcp.workspace.system.anchors import commits_of


def anchored(play: Playground, run: str) -> bool:
    with play.engine.store.read() as tx:
        tail = tx.events.tails([run])[RunId(run)]
    return any(one.runs.get(run) == tail for one in commits_of(play.root) or ())


def test_a_server_anchors_what_it_did_when_it_ends(bugged: Playground) -> None:
    with bugged.server() as agent:
        run = agent.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        agent.call("start_phase", run=run)
    until(lambda: anchored(bugged, run))
    assert verify(bugged.engine).findings == ()


def test_what_a_killed_server_left_is_anchored_by_the_next_one(bugged: Playground) -> None:
    with bugged.server() as agent:
        run = agent.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        agent.call("start_phase", run=run)
        agent.kill()
    assert verify(bugged.engine).findings == ()
    with bugged.server() as agent:
        agent.call("status")
    until(lambda: anchored(bugged, run))
    assert verify(bugged.engine).findings == ()
