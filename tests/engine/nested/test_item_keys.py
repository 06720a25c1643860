"""The keys of items as names of folders."""

from typing import Any

import pytest

from tests.engine.nested.test_loop_items import STOP, walking
from tests.engine.scene import Scene

ITEMS: list[Any] = [{"id": "T-1"}, {"id": "t-1"}]


@pytest.mark.skipif("sys.platform in {'win32', 'darwin'}", reason="the disk ignores case")
def test_keys_that_differ_by_case_alone_are_two_items(scene: Scene) -> None:
    run = walking(scene, ITEMS, for_each={"max_parallel": 2})
    for key, title in (("T-1", "upper"), ("t-1", "lower")):
        scene.do(run, f"build[{key}].code", {"title": title})
    assert "upper" in scene.mirror(run, "build[T-1].code", 1, "artifact.json").read_text()
    assert scene.state(run).status == "completed"


@pytest.mark.skipif("sys.platform == 'win32'", reason="no links")
def test_keys_that_name_one_folder_fail_the_loop_where_the_disk_ignores_case(scene: Scene) -> None:
    if not (scene.root / ".WFE").exists():
        (scene.root / ".WFE").symlink_to(".wfe")  # as if it did
    run = walking(scene, ITEMS, on_fail=STOP)
    loop = scene.attempt(run, "build")
    assert (loop.status, loop.human_only) == ("failed", True)
    assert "the keys 'T-1' and 't-1' name one folder: this disk ignores case" in loop.reason
