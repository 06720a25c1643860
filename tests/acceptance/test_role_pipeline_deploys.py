"""From a requirement to a change that runs: the team's release is delivered and deployed to a real HTTP service."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.acceptance.scene import FIXED
from tests.acceptance.test_role_pipeline import GOAL, TEAM
from tests.engine.deployments.deployment_scene import DEPLOY, HEALTH, SERVICE
from wfe_mcp.engine.deployments.history import known_deployments
from wfe_mcp.testing.agent import drive
from wfe_mcp.testing.playground import Playground
from wfe_mcp.views.runs.deployments import deployments_view


def environment(project: Playground, target: Path) -> None:
    """The project delivers by merge, and has the environment ``local``."""
    project.write({"service.py": SERVICE, "deploy.py": DEPLOY, "health.py": HEALTH, "status.txt": "200\n"})
    project.git("add", "service.py", "deploy.py", "health.py", "status.txt")
    project.git("commit", "-q", "-m", "the service")
    base = project.git("branch", "--show-current").strip()
    config = project.root / ".wfe/config.toml"
    tables = [config.read_text(encoding="utf-8"), f'[delivery]\nmode = "merge"\nbase = "{base}"\nremote = ""']
    for name, words in {"roll_out": ["deploy.py", "deploy"], "alive": ["health.py", "health"]}.items():
        tables.append(f"[checks.{name}]\nargv = {json.dumps([sys.executable, '-S', *words])}")
    variables = f"variables = {{ TARGET = {json.dumps(str(target))} }}"
    tables.append(f'[environments.local]\nkind = "local"\ndeploy = "roll_out"\nhealth = "alive"\n{variables}')
    config.write_text("\n".join(tables) + "\n", encoding="utf-8")
    project.trust()


@pytest.mark.requirement("S4-01", "S4-08", "S4-30", "S4-36")
def test_the_team_goes_from_a_requirement_to_a_deployment(bugged: Playground, tmp_path: Path):
    target = tmp_path / "target"
    environment(bugged, target)
    asked: list[str] = []

    def person(run: str, phase: str) -> None:
        asked.append(phase)
        bugged.approve(run, phase)

    try:
        with bugged.server() as agent:
            played = drive(agent.call, bugged.root, "role_pipeline", GOAL, TEAM, person=person)

        assert played.last["run_state"] == "completed"
        assert asked == ["pm", "qa_tests", "deploy", "live"]
        merged = bugged.git("rev-parse", "HEAD").strip()
        with urlopen(f"http://127.0.0.1:{(target / 'at.txt').read_text()}/") as answer:
            assert answer.read().decode() == merged
        assert (target / merged / "calc.py").read_text(encoding="utf-8") == FIXED["calc.py"]
        (made,) = known_deployments(bugged.engine).deployments
        assert (made.environment, made.state, made.commit) == ("local", "deployed", merged)
        (there,) = deployments_view(bugged.engine).environments
        assert (there.commit, there.health, there.run) == (merged, "healthy", played.run)
        assert bugged.problems(played.run) == []
    finally:
        if (target / "pid.txt").exists():
            with suppress(ProcessLookupError):
                os.kill(int((target / "pid.txt").read_text()), signal.SIGKILL)
