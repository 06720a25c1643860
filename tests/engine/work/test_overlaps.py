"""What touches the paths of an item is named before the work: active items, tasks in work, and files that open runs changed."""

from typing import Any

from tests.engine.scene import AGENT, HUMAN, Scene, phase
from tests.engine.work.test_milestones import LOOP, PLAN, add
from tests.store.scene import tamper
from wfe_mcp.engine.runs.control import control
from wfe_mcp.engine.runs.item_runs import start_item, start_ready
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.views.values.model import plain
from wfe_mcp.views.work.answers import start, work

WRITES = phase("build", {"kind": "files", "changed": ["**"]})


def overlaps(scene: Scene, name: str) -> list[dict[str, Any]]:
    return plain(work(scene.engine, AGENT, "show", id=name).view).get("overlaps", [])


def written(scene: Scene, run: str, *paths: str) -> None:
    """The agent works the phase ``build`` of ``run``, which changes these files."""
    scene.begin(run, "build")
    for path in paths:
        scene.write(path, run)
    scene.submit(run, "build", {"title": "Written"})
    scene.work()


def test_the_files_that_an_open_run_has_changed_are_named_where_no_scope_says_so(scene: Scene) -> None:
    scene.define(WRITES, phase("check"))
    first, second = add(scene, "One", scopes=["docs"]), add(scene, "Two", scopes=["src/*.py", "web"])
    run = start_item(scene.engine, AGENT, first, "drill").record.id
    assert overlaps(scene, second) == []
    written(scene, run, "docs/a.md", "src/a.py", "src/b.py", "lib/c.py")
    title = "One"
    assert overlaps(scene, second) == [{"id": first, "title": title, "scopes": ["src/a.py", "src/b.py"], "run": run}]
    assert overlaps(scene, first) == []
    assert (
        f"; run {run} has changed src/a.py, src/b.py, too"
        in start(scene.engine, AGENT, second, {"template": "drill"}).summary
    )


def test_a_run_that_works_no_item_or_has_ended(scene: Scene) -> None:
    scene.define(WRITES, phase("check"))
    name = add(scene, "Two", scopes=["src"])
    run = start_run(scene.engine, AGENT, "drill", {}, title="By hand").record.id
    written(scene, run, "src/a.py")
    assert overlaps(scene, name) == [{"id": "", "title": "By hand", "scopes": ["src/a.py"], "run": run}]
    control(scene.engine, HUMAN, run, "cancel")
    assert overlaps(scene, name) == []


def test_a_task_in_work_is_named_to_others_and_not_to_those_beside_it(scene: Scene) -> None:
    scene.define(LOOP, schema=PLAN)
    milestone = add(scene, "Export", "milestone")
    first, beside = (add(scene, title, parent=milestone, scopes=["src"]) for title in ("Stream it", "Test it"))
    other = add(scene, "Read", scopes=["src/a.py"])
    start_item(scene.engine, AGENT, milestone, "drill")
    assert overlaps(scene, other) == [{"id": first, "title": "Stream it", "scopes": ["src/a.py"]}]
    assert overlaps(scene, beside) == []
    ready = start_ready(scene.engine, AGENT, dry_run=True)
    assert {item.id: why for item, (why, _) in ready.waiting}[other] == f"{first} is active and touches src/a.py, too."


def test_an_open_run_that_cannot_be_read_is_compared_with_nothing(scene: Scene) -> None:
    scene.define(WRITES, phase("check"))
    name = add(scene, "Two", scopes=["src"])
    written(scene, start_run(scene.engine, AGENT, "drill", {}).record.id, "src/a.py")
    tamper(scene.url, "UPDATE run SET state = '{{', last_hash = 'x'")
    assert overlaps(scene, name) == []
