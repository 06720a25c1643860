"""The tutorial with Claude Code works as written; where Claude Code is installed, it does the agent's part."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripts import real_clients
from tests.acceptance.scene import BUGGED, PROBLEM, QUICK_FIX
from tests.docs.conftest import Reader
from tests.real_clients import CLAUDE, Follower, prompt
from wfe_mcp.testing.agent import drive
from wfe_mcp.testing.stdio_client import StdioClient


def test_the_first_gated_change_goes_as_documented(reader: Reader, root: Path) -> None:
    result = dict(reader.follow(root / "docs/tutorial/claude-code.md"))
    assert len(result) == 2
    project = reader.folder / "shop"
    assert {name: (project / name).read_text(encoding="utf-8") for name in BUGGED} == BUGGED
    entry = json.loads((project / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]["wfe"]
    approved: list[subprocess.CompletedProcess[str]] = []

    def person(run: str, phase: str) -> None:
        """At the terminal that the agent does not hold, with the PIN of step 2."""
        approved.append(
            subprocess.run(
                ["wfe-mcp", "approve", run, phase, "--pin-fd", "0"],
                cwd=project,
                env=reader.environment,
                input="correct horse",
                capture_output=True,
                encoding="utf-8",
                check=False,
                timeout=120,
            )
        )

    if real_clients.missing("claude"):
        with StdioClient([entry["command"], *entry["args"]], cwd=project, env=reader.environment) as agent:
            played = drive(agent.call, project, "quick_fix", PROBLEM, QUICK_FIX)
        person(played.run, "fix")
    else:
        place: Any = SimpleNamespace(root=project, environment=reader.environment)
        home = Path(reader.environment["HOME"])
        CLAUDE.before(home, project)
        model = Follower(CLAUDE, project, "quick_fix", PROBLEM, QUICK_FIX, person)
        program = real_clients.found("claude")
        assert program is not None
        path = os.pathsep.join([str(program.parent), reader.environment["PATH"], os.environ["PATH"]])
        done = prompt(CLAUDE, place, home, model, env={"PATH": path})
        assert (done.code, model.heard[-1].run_state) == (0, "completed"), done.output[-3_000:]
        assert "gate_failed" not in [each.code for each in model.heard]
    (answer,) = approved
    assert (answer.returncode, answer.stderr) == (0, "")
    *_, completed, left = answer.stdout.splitlines()
    assert completed.endswith(" is completed.")
    assert left.endswith(
        "Not committed, in the working tree alone: what this run changed (calc.py, tests/test_calc.py)"
    )
