"""What tests/promises.py compares holds where jobs of the same run end while a decision is made."""

from typing import Any

import pytest

from tests.engine.scene import Scene, approval, phase
from tests.promises import Promises
from wfe_mcp.engine.approvals import decide


def test_work_that_ends_while_a_person_decides_breaks_no_promise(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    promises = Promises()
    promises.watch(monkeypatch)
    run = scene.start(
        phase("agreed", approval(), needs=[]),
        phase("beside", needs=[]),
        phase("after", needs=["beside"]),
        limits={"max_parallel": 3},
    )
    scene.begin(run, "agreed")
    scene.submit(run, "agreed", {"title": "It is good"})
    look = decide.files_now

    def works_meanwhile(*given: Any) -> Any:
        found = look(*given)
        scene.do(run, "beside")
        return found

    monkeypatch.setattr(decide, "files_now", works_meanwhile)
    decide.decide(scene.engine, scene.human, run, "agreed")

    assert [way for way, _, _ in promises.made] == ["decide"]
