"""What a person reads of a phase whose agent was killed: it is not said to be working."""

import os
import sys

from tests.cli.scene import Terminal, phase, template
from wfe_mcp.testing.stdio_client import StdioClient


def test_a_phase_whose_agent_was_killed_waits_for_another(cli: Terminal) -> None:
    cli.save(template("one", phase("plan")))
    run = cli.start("one")
    with StdioClient([sys.executable, "-m", "wfe_mcp", "serve"], cwd=cli.root, env=dict(os.environ)) as agent:
        agent.call("start_phase", run=run)
        works = cli("status", run)
        assert "the agent is working" in works.out
        assert "its worker is gone" not in works.out
        agent.kill()
        left = cli("status", run)
    assert "waiting for the agent" in left.out
    assert "attempt 1, its worker is gone" in left.out
    assert "Next: tell your agent" in left.err
