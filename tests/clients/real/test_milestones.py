"""Each real client, connected by ``wfe-mcp install``, works a milestone whose change the server proposes as a pull request."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.real_clients import REAL_CLIENTS, Follower, RealClient, connect, environment, program, prompt
from tests.templates.at_forge import at_forge
from tests.templates.outside import CHECK, CHECKS
from tests.templates.test_deliver_milestones import one, operations
from wfe_mcp.testing.playground import Playground

MILESTONE: dict[str, Any] = {
    "id": "M1",
    "title": "Write the archive",
    "tasks": [
        {"id": "T-1", "title": "Stream into a zip", "acceptance": ["The zip opens"]},
        {"id": "T-2", "title": "List the artifacts", "acceptance": ["The list is complete"], "depends_on": ["T-1"]},
    ],
}


@pytest.mark.skipif(sys.platform == "win32", reason="the stub of gh begins with a shebang")
@pytest.mark.requirement("S3-21")
@pytest.mark.parametrize("client", REAL_CLIENTS, ids=lambda client: client.name)
def test_a_real_client_plays_a_milestone_to_a_merged_pull_request(client: RealClient, tmp_path: Path) -> None:
    program(client.program)
    (folder := tmp_path / "play").mkdir()
    (home := tmp_path / "home").mkdir()
    with Playground(folder, files={"check.py": CHECK}, checks={"test": CHECKS["test"]}) as project:
        client.before(home, project.root)
        connect(client, project, home)
        project.git("add", "-A", ":!.wfe")
        if project.git("status", "--porcelain", "--", ".", ":!.wfe"):
            project.git("commit", "-q", "-m", "Connect the client")
        with at_forge(project, "gh") as forge:
            inputs = {"plan": {"milestones": [MILESTONE]}}
            model = Follower(client, project.root, "milestones", inputs, one(MILESTONE), project.approve)
            own = environment(client, home, project.environment["WFE_DATABASE_URL"])["PATH"]
            path = os.pathsep.join([str(project.folder / "programs"), own])
            done = prompt(client, project, home, model, env={"PATH": path})

            assert (done.code, model.heard[-1].run_state) == (0, "completed"), done.output[-3_000:]
            run = model.heard[-1].run
            assert [each.code for each in model.heard if each.code] == ["needs_human"]
            assert [(pull.number, pull.title, pull.state) for pull in forge.pulls] == [
                (1, "M1: Write the archive", "merged")
            ]
            made = ["git.branch", "git.commit", "git.commit", "git.push", "forge.open", "forge.merge", "git.clean"]
            assert [each.kind for each in operations(project, run)] == made
            assert forge.git("show", "main:T-2.txt") == "T-2"
            assert forge.token not in str([each.body for each in done.asked])
            assert project.problems(run) == []
