"""A prompt ends with what was done before: in this run, else in the last run of the project; short, and always the same."""

from typing import Any

import pytest

from tests.engine.scene import GOOD, NOTE, Scene, phase

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.requirement("S3-17")]
CHANGED = {"kind": "files", "changed": ["**"]}
SHORT = {"kind": "expr", "assert": "${size(artifacts.plan_note.title) < 10}"}
DECISIONS = {"artifact": "advice", "schema": "decision_list@1"}


def prompt(scene: Scene, run: str, name: str) -> str:
    return str(scene.begin(run, name).data["prompt"])


def part(text: str, title: str = "Last work, the newest first") -> list[str]:
    """The lines of one part of a prompt; they are between boundary lines, as data."""
    if f"\n\n{title}:\n" not in text:
        return []
    first, *lines = text.partition(f"\n\n{title}:\n")[2].split("\n\n")[0].splitlines()
    assert "data, not instructions" in first
    return lines[:-1]


def test_a_prompt_ends_with_the_completed_phases_before_it_and_the_files_that_changed(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build", CHANGED), phase("check"))
    scene.do(run, "plan", {"title": "A way"})
    scene.begin(run, "build")
    scene.write("src/sum.py", "x = 1\n")
    scene.write("src/new.py", "y = 1\n")
    scene.submit(run, "build", {"title": "The sum", "body": "long text"})

    text = prompt(scene, run, "check")

    assert text.startswith("Write check.\n\nLast work")
    assert part(text) == [
        "build, attempt 1: The sum; 2 files changed: src/new.py, src/sum.py",
        "plan, attempt 1: A way",
    ]


def test_a_prompt_that_was_handed_out_is_the_same_when_it_is_asked_for_again(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build", CHANGED), limits={"max_parallel": 2})
    scene.do(run, "plan")
    first = prompt(scene, run, "build")
    scene.write("src/new.py", "y = 1\n")

    assert prompt(scene, run, "build") == first
    assert scene.mirror(run, "build", 1, "prompt.md").read_text(encoding="utf-8").rstrip() == first


def test_a_next_attempt_says_what_the_one_before_was_and_where_the_files_are_those_of_the_server(scene: Scene) -> None:
    again = [{"do": "retry", "max_attempts": 5}]
    run = scene.start(phase("plan", SHORT, on_fail=again))
    for number in range(1, 4):
        scene.do(run, "plan", {"title": f"Far too long, number {number}"})

    assert part(prompt(scene, run, "plan")) == [
        "this phase, attempt 3: Far too long, number 3",
        "this phase, attempt 2: Far too long, number 2",
    ]


def test_a_long_result_is_cut_and_many_files_are_counted(scene: Scene) -> None:
    run = scene.start(phase("build", CHANGED), phase("check"))
    scene.begin(run, "build")
    for number in range(9):
        scene.write(f"src/part{number}.py", "x = 1\n")
    scene.submit(run, "build", {"title": "word " * 100})

    (line,) = part(prompt(scene, run, "check"))

    assert line.endswith("; 9 files changed: src/part0.py, src/part1.py, src/part2.py, src/part3.py and 5 more")
    assert len(line) < 320


def test_the_first_prompt_of_a_run_names_the_last_completed_run_of_the_project_as_it_was_at_the_start(
    scene: Scene,
) -> None:
    first = scene.start(phase("plan"), phase("build", CHANGED))
    assert part(prompt(scene, first, "plan")) == [], "nothing was done before"
    scene.do(first, "plan")
    scene.begin(first, "build")
    scene.write("src/sum.py", "x = 1\n")
    scene.submit(first, "build", {"title": "The sum"})

    second = scene.start(phase("plan"), phase("build"))
    handed = prompt(scene, second, "plan")
    third = scene.start(phase("plan"), name="other")
    scene.do(third, "plan", {"title": "Something else"})

    (line,) = part(handed)
    assert line == "run 'A drill' (drill): The sum; 1 file changed: src/sum.py"
    assert prompt(scene, second, "plan") == handed
    scene.submit(second, "plan")
    assert part(prompt(scene, second, "build")) == [f"plan, attempt 1: {GOOD['title']}"], "its own work is nearer"


def loop(parallel: int) -> dict[str, Any]:
    each = {"in": "${inputs.tasks}", "as": "task", "max_parallel": parallel}
    return {"id": "tasks", "kind": "loop", "for_each": each, "phases": [phase("do")]}


@pytest.mark.parametrize(("parallel", "said"), [(1, ["tasks[0].do, attempt 1: The first"]), (2, [])])
def test_an_item_says_what_the_item_before_it_was_where_they_are_worked_one_after_the_other(
    scene: Scene, parallel: int, said: list[str]
) -> None:
    tasks = {"type": "object", "properties": {"tasks": {"type": "array", "items": {"type": "string"}}}}
    run = scene.start(loop(parallel), inputs={"tasks": ["a", "b"]}, schema=tasks, limits={"max_parallel": parallel})
    names = ["tasks[0].do", "tasks[1].do"]
    scene.do(run, names[0], {"title": "The first"})

    assert part(prompt(scene, run, names[1])) == said


def test_after_a_loop_the_prompt_names_what_was_done_for_its_last_item(scene: Scene) -> None:
    tasks: Any = {"type": "object", "properties": {"tasks": {"type": "array", "items": {"type": "string"}}}}
    end = phase("end", output={"artifact": "end", "schema": "review@1"})
    run = scene.start(loop(1), end, phase("after"), inputs={"tasks": ["a", "b"]}, schema=tasks)
    for key in "01":
        scene.do(run, f"tasks[{key}].do", {"title": f"done {key}"})
    assert part(prompt(scene, run, "end")) == ["tasks[1].do, attempt 1: done 1"]
    scene.submit(run, "end", {"verdict": "pass", "findings": []})
    assert part(prompt(scene, run, "after"))[0] == "end, attempt 1: pass"


def test_where_the_run_went_back_a_prompt_says_what_had_been_built_until_then(scene: Scene) -> None:
    build: dict[str, Any] = {
        "id": "build",
        "kind": "loop",
        "for_each": {"in": "${artifacts.plan_note.title.split(' ')}", "as": "task", "key": "${task}"},
        "phases": [phase("do", CHANGED)],
    }
    back = [{"if": "${artifacts.check_note.title == 'missing'}", "goto": "plan", "max": 1}]
    run = scene.start(phase("plan"), build, phase("check", next=back))

    def built(key: str) -> None:
        scene.begin(run, f"build[{key}].do")
        scene.write(f"{key}.py", "x = 1\n")
        scene.submit(run, f"build[{key}].do", {"title": f"made {key}"})

    scene.do(run, "plan", {"title": "a b"})
    built("a")
    built("b")
    scene.do(run, "check", {"title": "missing"})
    before = [
        f"build[{key}].do, before the run went back, attempt 1: made {key}; 1 file changed: {key}.py" for key in "ba"
    ]

    assert part(prompt(scene, run, "plan")) == ["this phase, attempt 1: a b", *before]
    scene.submit(run, "plan", {"title": "c"})
    assert part(prompt(scene, run, "build[c].do")) == ["plan, attempt 2: c", *before]
    scene.write("c.py", "x = 1\n")
    scene.submit(run, "build[c].do", {"title": "made c"})
    assert part(prompt(scene, run, "check")) == [
        "this phase, attempt 1: missing",
        "build[c].do, attempt 1: made c; 1 file changed: c.py",
        "plan, attempt 2: c",
        *before,
    ]


def decided(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"D-{number}", "title": "Which format?", "decision": f"zip {number}", "rationale": "it opens", **more}


def test_decisions_of_the_run_are_in_later_prompts_unless_these_have_them_whole(scene: Scene) -> None:
    asks = {"id": "check", "prompt": "Look at ${artifacts.advice}", "output": {"artifact": "seen", "schema": NOTE}}
    run = scene.start({"id": "advise", "output": DECISIONS}, phase("build"), asks, phase("end", context=["advice"]))
    many = [decided(number) for number in range(1, 11)]
    scene.do(run, "advise", {"decisions": [decided(0, status="superseded"), *many]})

    text = prompt(scene, run, "build")
    lines = part(text, "Decisions of this run")
    assert lines[0] == "D-1 Which format?: zip 1"
    assert lines[-1] == "and 2 more decisions"
    scene.submit(run, "build")
    assert part(prompt(scene, run, "check"), "Decisions of this run") == []
    scene.submit(run, "check")
    assert part(prompt(scene, run, "end"), "Decisions of this run") == []


def test_decisions_of_the_items_of_a_loop_are_in_the_prompts_after_it(scene: Scene) -> None:
    each = {"in": "${['a', 'b']}", "as": "task"}
    advise = {"id": "fields", "kind": "loop", "for_each": each, "phases": [{"id": "advise", "output": DECISIONS}]}
    run = scene.start(advise, phase("build"))
    for number in (0, 1):
        scene.do(run, f"fields[{number}].advise", {"decisions": [decided(number)]})

    assert part(prompt(scene, run, "build"), "Decisions of this run") == [
        "D-0 Which format?: zip 0",
        "D-1 Which format?: zip 1",
    ]


@pytest.mark.parametrize("key", ["a", "decisions"])
def test_decisions_of_a_loop_in_a_loop_are_in_the_prompts_after_it_whatever_its_items_are_called(
    scene: Scene, key: str
) -> None:
    walk = {"in": f"${{['{key}']}}", "as": "word", "key": "${word}"}
    inner = {"id": "inner", "kind": "loop", "for_each": walk, "phases": [{"id": "advise", "output": DECISIONS}]}
    walk = {"in": "${['b']}", "as": "letter"}
    run = scene.start({"id": "outer", "kind": "loop", "for_each": walk, "phases": [inner]}, phase("build"))
    scene.do(run, f"outer[0].inner[{key}].advise", {"decisions": [decided(1)]})

    assert part(prompt(scene, run, "build"), "Decisions of this run") == ["D-1 Which format?: zip 1"]
