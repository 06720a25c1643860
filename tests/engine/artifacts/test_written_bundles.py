"""Which files an earlier bundle of a phase leaves beside those of the next one."""

from typing import Any

import pytest

from tests.engine.scene import HUMAN, Scene, approval, phase
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs import control

BUNDLE = {"artifact": "site", "schema": "file_bundle@1", "write_to": "out"}
READS = {"kind": "files", "changed": ["**"]}


def bundle(**files: str) -> dict[str, Any]:
    return {"files": [{"path": f"{name}.txt", "content": text} for name, text in files.items()]}


def written(scene: Scene) -> dict[str, str]:
    return {file.stem: file.read_text("utf-8") for file in (scene.root / "out").iterdir()}


def test_a_file_that_only_a_rejected_bundle_wrote_goes_with_the_next_one(scene: Scene) -> None:
    run = scene.start(phase("make", READS, approval(), output=BUNDLE))
    scene.do(run, "make", bundle(a="A", b="B"))
    approvals.reject(scene.engine, HUMAN, run, "make", "without b")
    scene.do(run, "make", bundle(a="A2"))
    assert written(scene) == {"a": "A2"}


@pytest.mark.parametrize("later", [("A2",), ("A2", "A3")])
def test_a_file_of_an_accepted_bundle_stays_where_later_ones_lack_it(scene: Scene, later: tuple[str, ...]) -> None:
    run = scene.start(phase("make", READS, output=BUNDLE))
    assert scene.do(run, "make", bundle(a="A", b="B")).state == "completed"
    for text in later:
        control.retry(scene.engine, HUMAN, run, "make")
        assert scene.do(run, "make", bundle(a=text)).state == "completed"
    assert written(scene) == {"a": later[-1], "b": "B"}
