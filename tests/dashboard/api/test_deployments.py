"""Environments over HTTP: what runs where, and the deployments."""

import pytest

from tests.dashboard.api.client import Program
from tests.engine.deployments.deployment_scene import commit, deploy, environment
from tests.engine.scene import Scene


@pytest.mark.requirement("S4-35")
def test_a_program_reads_what_runs_where_and_how_it_got_there(scene: Scene, program: Program) -> None:
    with environment(scene):
        good = scene.git("rev-parse", "HEAD").strip()
        run = deploy(scene)
        scene.write("status.txt", "500\n")
        bad = commit(scene, "broken")
        deploy(scene)
        found = program.get("/environments").data
        (there,) = found["environments"]
        assert (there["name"], there["commit"], there["run"], there["health"]) == ("local", good, run, "healthy")
        assert [(each["state"], each["commit"]) for each in found["deployments"]] == [
            ("rolled back", bad),
            ("deployed", good),
        ]
        assert program.get("/environments", environment="locl").code == "bad_argument"
