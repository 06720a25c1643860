"""The manifest of a run names every input and output byte; runs of equal inputs are compared by outputs."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.scene import AGENT, Scene, phase
from tests.engine.step_scene import steps, tool, with_stub
from tests.tools.stub import Stub, running_stub
from wfe_mcp import __version__
from wfe_mcp.engine.templates.manifest import manifest
from wfe_mcp.views.answers import tool_answers as answers


@pytest.fixture
def stub(tmp_path: Any, scene: Scene) -> Iterator[Stub]:
    with running_stub(tmp_path / "calls.jsonl") as running:
        with_stub(scene, running)
        yield running


def of(scene: Scene, run: str) -> dict[str, Any]:
    with scene.store.read() as tx:
        return manifest(tx, scene.engine.load(tx, run))


@pytest.mark.requirement("S2-16")
def test_the_manifest_names_every_byte_that_went_in_and_came_out(scene: Scene, stub: Stub) -> None:
    call = tool("echo", "stub.echo", params={"value": "${inputs.goal}"}, assign="said")
    run = scene.start(steps(call), phase("write"), inputs={"goal": "g"})
    scene.work()
    assert "score" not in of(scene, run), "it is not over"
    scene.do(run, "write")

    made = of(scene, run)
    assert made["engine"] == f"wfe-mcp {__version__}"
    assert (made["template"]["name"], made["template"]["version"]) == ("drill", "1.0.0")
    (step,) = made["steps"]
    assert (step["phase"], step["step"], step["does"], step["state"]) == ("ci", "echo", "tool stub.echo", "done")
    assert step["served_by"] == "stub 1.2.3"
    assert [each["phase"] for each in made["artifacts"]] == ["ci", "write"]
    shas = [made[f"{name}_sha256"] for name in ("definition", "spec", "inputs", "frozen")]
    shas += [
        made["template"]["sha256"],
        made["inputs_hash"],
        made["outputs_hash"],
        step["input_sha256"],
        step["output_sha256"],
    ]
    assert all(len(sha) == 64 for sha in shas)
    assert made["score"] == {"runs": 1, "same_outputs": 1, "share": 1.0}


@pytest.mark.requirement("S2-16")
def test_runs_of_the_same_inputs_are_scored_by_what_came_out(scene: Scene) -> None:
    scene.check("test", "pass")
    names = {"plan": phase("plan"), "ci": steps({"id": "tests", "check": "test"})}
    scene.define(*names.values())

    def played(title: str, goal: str = "g") -> str:
        run = str(answers.start_run(scene.engine, AGENT, "drill", {"goal": goal}).run)
        scene.do(run, "plan", {"title": title})
        scene.work()
        assert scene.status(run).run_state == "completed"
        return run

    first, same, differs, other = played("one"), played("one"), played("two"), played("one", "another goal")
    hashes = {run: of(scene, run) for run in (first, same, differs, other)}

    assert len({each["inputs_hash"] for each in hashes.values()}) == 2
    assert hashes[first]["outputs_hash"] == hashes[same]["outputs_hash"], "how long a check took does not count"
    assert hashes[first]["score"] == {"runs": 3, "same_outputs": 2, "share": 0.667}
    assert hashes[differs]["score"]["same_outputs"] == 1
    assert hashes[other]["score"]["runs"] == 1
