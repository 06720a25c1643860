"""A report of the wrong role is an invalid artifact: it costs no iteration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.scene import phase, template

if TYPE_CHECKING:
    from tests.cli.scene import Said, Terminal


def report(cli: Terminal, run: str, role: str) -> Said:
    (cli.root / "report.json").write_text(json.dumps({"role": role, "status": "pass", "summary": "done"}))
    return cli.json("submit", run, "test", "--path", "report.json")


@pytest.mark.requirement("E-12", "S4-10")
def test_a_report_of_the_wrong_role_is_refused_and_sends_nothing_back(cli: Terminal):
    gates = [{"kind": "report", "role": "qa", "status": "pass"}]
    judged = {
        "id": "test",
        "gates": gates,
        "output": {"artifact": "found", "schema": "role_report@1"},
        "on_fail": [{"do": "goto", "phase": "build", "max": 3}, {"do": "wait_human"}],
    }
    roles = {"qa": {"description": "tests"}, "dev": {"description": "writes"}}
    cli.save(template("team", phase("build"), judged, roles=roles))
    run = cli.start("team")
    cli.submit_work(run, "build")
    refused = report(cli, run, "dev")
    assert refused.refusal == "invalid_artifact"
    assert refused.document["error"]["details"] == [
        {"path": "/role", "message": "the report comes from role 'dev'", "expected": "qa", "got": "dev"}
    ]
    found = cli.json("status", run, "--full").data
    assert (found["iteration"], found["phases"][1]["attempt"], found["phases"][1]["invalid"]) == (1, 1, 1)
    assert report(cli, run, "qa").document["run_state"] == "completed"
