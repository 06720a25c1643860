"""A client generated from the served OpenAPI document, in a process of its own, works a run up to the human gate."""

import json
import subprocess
import sys
from pathlib import Path

from tests.dashboard.api.client import WAIT_S, Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.api.generated_client import client_of
from tests.engine.scene import GOOD, Scene, approval, phase
from wfe_mcp.dashboard.api.app import ROOT
from wfe_mcp.dashboard.serving import Page

PROGRAM = """
import json, sys
from generated import Client

client = Client(sys.argv[1], sys.argv[2])
status, made = client.start_run(template="drill", title="by a generated client")
assert status == 200, made
run = made["run"]
for phase in ("plan", "ship"):
    status, claim = client.start_phase(run, phase=phase)
    assert status == 200, claim
    status, told = client.submit_artifact(run, phase, artifact=json.loads(sys.argv[3]), attempt=claim["data"]["attempt"])
    assert status == 200, told
status, asked = client.approve(run, "ship")
print(json.dumps({"run": run, "status": status, "code": asked["error"]["code"], "seen": client.show_run(run)[1]["waiting_on"]}))
"""


def test_a_generated_client_works_a_run_up_to_the_human_gate(
    scene: Scene, page: Page, connect: Connect, tmp_path: Path
) -> None:
    scene.define(phase("plan"), phase("ship", approval(), needs=["plan"]))
    served = Program(page.port).raw("GET", f"{ROOT}/openapi.json").body
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "generated.py").write_text(client_of(served), encoding="utf-8")
    (folder / "drive.py").write_text(PROGRAM, encoding="utf-8")
    address = f"http://localhost:{page.port}{served['servers'][0]['url']}"

    ran = subprocess.run(
        [sys.executable, str(folder / "drive.py"), address, connect().token, json.dumps(GOOD)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    output = json.loads(ran.stdout)
    assert (output["status"], output["code"], output["seen"]) == (403, "needs_human", "human")
    assert scene.attempt(output["run"], "ship").status == "awaiting"
    assert scene.attempt(output["run"], "plan").status == "completed"
