"""Loop execution: items, keys, order, scope, gates, jumps, files and views."""

import json
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, expr, moves, phase, refused
from wfe_mcp.core.model import RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals.decide import decide, reject
from wfe_mcp.engine.runs.control import force_accept, retry
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions

STOP = [{"do": "wait_human"}]
ANY: dict[str, Any] = {"type": "object"}


def source(name: str = "plan") -> dict[str, Any]:
    """A phase whose artifact ``list`` holds whatever ``items`` the test submits."""
    return {"id": name, "output": {"artifact": "list", "schema": ANY}}


def each(*body: dict[str, Any], name: str = "build", **keys: Any) -> dict[str, Any]:
    walk = {"in": "${artifacts.list.items}", "as": "step", **keys.pop("for_each", {})}
    return {"id": name, "kind": "loop", "for_each": walk, "phases": list(body), **keys}


def walking(
    scene: Scene, items: list[Any], *body: dict[str, Any], after: tuple[dict[str, Any], ...] = (), **keys: Any
) -> str:
    """A run whose loop ``build`` has just opened over ``items``."""
    limits = {"limits": {"max_parallel": 5}}
    run = scene.start(source(), each(*(body or (phase("code"),)), **keys), *after, **limits)
    scene.do(run, "plan", {"items": items})
    return run


def intact(scene: Scene, run: str) -> RunState:
    with scene.store.read() as tx:
        loaded = scene.engine.load(tx, run)
        assert tx.events.replay(loaded.record.id) == loaded.state
        assert tx.verification.problems(loaded.record.id) == []
    return loaded.state


def keys_of(scene: Scene, run: str, loop: str = "build") -> tuple[str, ...]:
    return scene.state(run).loops[PhasePath(loop)].keys


def prompt(scene: Scene, run: str, name: str) -> str:
    return str(scene.begin(run, name).data["prompt"]).partition("\n\nLast work")[0]


@pytest.mark.requirement("S2-29")
def test_the_loop_of_the_designs_example_runs_from_plan_to_review(scene: Scene) -> None:
    scene.check("test", "pass")
    plan = {
        "id": "plan",
        "prompt": "Plan this: ${inputs.goal}",
        "output": {"artifact": "plan", "schema": "plan@1", "editable": True},
        "gates": [expr("${size(artifacts.plan.steps) > 0}"), approval()],
    }
    code = {
        "id": "code",
        "prompt": "Do ${step.title}",
        "output": {"artifact": "change", "schema": "change@1"},
        "gates": [command("test", exit_code=0)],
        "on_fail": [{"do": "retry", "max_attempts": 3}, {"do": "wait_human"}],
    }
    build = {
        "id": "build",
        "kind": "loop",
        "phases": [code],
        "for_each": {"in": "${artifacts.plan.steps}", "as": "step", "key": "${step.id}", "max_parallel": 1},
    }
    review = {
        "id": "review",
        "needs": ["build"],
        "output": {"artifact": "review", "schema": "review@1"},
        "next": [{"if": "${artifacts.review.verdict == 'pass'}", "goto": "$complete"}, {"goto": "build", "max": 2}],
    }
    run = scene.start(plan, build, review, inputs={"goal": "more"}, limits={"max_parallel": 2, "max_iterations": 3})
    steps = [{"id": f"T-{number}", "title": f"Step {number}", "acceptance": ["done"]} for number in (1, 2)]
    scene.do(run, "plan", {"steps": steps})
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    decide(scene.engine, HUMAN, run, "plan")
    for verdict in ("fail", "pass"):
        for key in ("T-1", "T-2"):
            begun = scene.begin(run)
            assert begun.phase == f"build[{key}].code"
            assert begun.data["prompt"].split("\n")[0] == f"Do Step {key[-1]}"
            assert (begun.data.get("feedback") is not None) == (verdict == "pass")
            scene.submit(run, f"build[{key}].code", {"summary": f"did {key}"})
        scene.do(run, "review", {"verdict": verdict, "findings": [], "summary": "looked"})
    state = intact(scene, run)
    assert (state.status, state.iteration) == ("completed", 2)
    assert [attempt.number for attempt in state.attempts[PhasePath("build[T-1].code")]] == [1, 2]


WALKS: list[tuple[list[Any], dict[str, Any], tuple[str, ...]]] = [
    ([{"id": "b"}, {"id": "a"}], {}, ("b", "a")),
    ([{"id": 7}, {"id": 8}], {}, ("7", "8")),
    (["x", {"no": 1}, {"id": True}], {}, ("0", "1", "2")),
    ([{"name": "n1"}, {"name": "n2"}], {"key": "${step.name}"}, ("n1", "n2")),
    ([10, 20], {"key": "${'K' + string(item.index) + '-' + string(item.count)}"}, ("K0-2", "K1-2")),
    ([10, 20], {"key": "${step}"}, ("10", "20")),
    (
        [{"id": "a", "at": 2}, {"id": "b", "at": 1}, {"id": "c"}, {"id": "d", "at": 1}],
        {"order_by": "at"},
        ("b", "d", "a", "c"),
    ),
    ([{"id": "a", "at": "y"}, {"id": "b", "at": "x"}, "text"], {"order_by": "at"}, ("b", "a", "2")),
    (
        [{"id": "a", "on": ["c", "elsewhere"]}, {"id": "b"}, {"id": "c", "on": ["b"]}, {"id": "d", "on": []}],
        {"order_by": "on"},
        ("b", "c", "a", "d"),
    ),
    ([{"id": "a", "on": ["b", "c"]}, {"id": "b"}, {"id": "c"}], {"order_by": "on"}, ("b", "c", "a")),
    ([], {}, ()),
]

REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    ({"a": 1}, {}, "${artifacts.list.items} cannot be evaluated: a loop walks over a list, this is an object"),
    ([{"id": "a"}, {"id": "a"}], {}, "Two items have the key 'a'"),
    ([{"id": "a b"}], {}, "is no path"),
    ([1.5], {"key": "${step}"}, "a key is text or a whole number, that of item 0 is a number"),
    ([{}], {"key": "${step.name}"}, "name"),
    ([{"id": "a", "on": ["b"]}, {"id": "b", "on": ["a"]}], {"order_by": "on"}, "wait for each other: 'a', 'b'"),
    ([{"id": "a", "on": ["b"]}, {"id": "b", "on": 1}], {"order_by": "on"}, "lists of keys in some items"),
    ([{"id": "a", "on": "x"}, {"id": "b", "on": 1}], {"order_by": "on"}, "numbers, or texts, or lists"),
]


@pytest.mark.parametrize(("items", "walk", "keys"), WALKS)
def test_items_have_their_keys_and_their_order(
    scene: Scene, items: list[Any], walk: dict[str, Any], keys: tuple[str, ...]
) -> None:
    run = walking(scene, items, for_each=walk)
    assert keys_of(scene, run) == keys


@pytest.mark.parametrize(("items", "walk", "answer"), REFUSED)
def test_items_that_cannot_be_walked_fail_the_loop(scene: Scene, items: Any, walk: dict[str, Any], answer: str) -> None:
    run = walking(scene, items, for_each=walk, on_fail=STOP)
    assert scene.attempt(run, "build").status == "failed"
    assert answer in scene.attempt(run, "build").reason
    assert scene.state(run).status == "waiting"


def test_a_phase_inside_sees_its_item_and_the_artifacts_of_the_nearest_scope(scene: Scene) -> None:
    code = phase("code")
    test = phase("test") | {
        "prompt": "${item.key}|${item.index}|${item.count}|${item.value.n}|${step.n}|${artifacts.code_note.title}"
        "|${artifacts.list.from}|${phase.id}|${phase.path}",
    }
    run = scene.start(source(), each(code, test), limits={"max_parallel": 5})
    scene.do(run, "plan", {"items": [{"id": "a", "n": 1}, {"id": "b", "n": 2}], "from": "plan"})
    scene.do(run, "build[a].code", {"title": "made in a"})
    assert prompt(scene, run, "build[a].test") == "a|0|2|1|1|made in a|plan|test|build[a].test"
    scene.submit(run, "build[a].test")
    scene.do(run, "build[b].code", {"title": "made in b"})
    assert prompt(scene, run, "build[b].test") == "b|1|2|2|2|made in b|plan|test|build[b].test"


def test_done_holds_the_artifacts_of_earlier_items_by_key_and_name(scene: Scene) -> None:
    code = phase("code", expr("${size(artifacts.code_note.title) > 3}"), on_fail=STOP) | {"prompt": "${item.done}"}
    run = walking(scene, ["x", "y", "z"], code, for_each={"on_item_fail": "continue"})
    assert prompt(scene, run, "build[0].code").split("\n")[1] == "{}"
    scene.submit(run, "build[0].code", {"title": "first"})
    scene.do(run, "build[1].code", {"title": "bad"})
    assert prompt(scene, run, "build[2].code").split("\n")[1] == '{"0":{"code_note":{"title":"first"}}}'
    scene.submit(run, "build[2].code", GOOD)
    assert intact(scene, run).status == "completed"
    assert scene.state(run).loops[PhasePath("build")].done == 2


def test_outside_a_loop_its_artifacts_are_a_map_by_key(scene: Scene) -> None:
    after = phase("after", expr("${artifacts.code_note.b.title == 'made in b' && size(artifacts.code_note) == 2}")) | {
        "prompt": "${artifacts.code_note['a'].title}",
        "context": ["code_note"],
    }
    run = walking(scene, [{"id": "a"}, {"id": "b"}], after=(after,))
    scene.do(run, "build[a].code", {"title": "made in a"})
    scene.do(run, "build[b].code", {"title": "made in b"})
    text = prompt(scene, run, "after")
    assert text.startswith("made in a\n")
    assert "made in b" in text
    scene.submit(run, "after")
    assert intact(scene, run).status == "completed"


def test_a_loop_in_a_loop_makes_a_map_of_maps(scene: Scene) -> None:
    inner = each(
        phase("code") | {"prompt": "${step.id}/${task}/${item.key}"},
        name="tasks",
        for_each={"in": "${step.tasks}", "as": "task"},
    )
    note = phase("note") | {"prompt": "${artifacts.code_note['1'].title}"}
    after = phase("after") | {"prompt": "${artifacts.code_note['b']['0'].title} ${size(artifacts.note_note)}"}
    run = walking(
        scene,
        [{"id": "a", "tasks": ["x", "y"]}, {"id": "b", "tasks": ["z"]}],
        inner,
        note | {"context": []},
        after=(after,),
    )
    assert prompt(scene, run, "build[a].tasks[0].code") == "a/x/0"
    scene.submit(run, "build[a].tasks[0].code", {"title": "ax"})
    scene.do(run, "build[a].tasks[1].code", {"title": "ay"})
    assert prompt(scene, run, "build[a].note") == "ay"
    scene.submit(run, "build[a].note")
    scene.do(run, "build[b].tasks[0].code", {"title": "bz"})
    reason = refused(scene.begin, run, "build[b].note")
    assert reason.code == "invalid_template"
    answers.skip_phase(scene.engine, HUMAN, run, "build[b].note", "nothing to say")
    assert prompt(scene, run, "after") == "bz 1"
    intact(scene, run)


def test_until_sees_its_pass_and_ends_when_it_holds(scene: Scene) -> None:
    draft = phase("draft") | {
        "prompt": "pass ${item.key} (index ${item.index}) of ${item.count}: ${item.done.map(k, item.done[k].draft_note.title)}"
    }
    loop = {
        "id": "polish",
        "kind": "loop",
        "phases": [draft],
        "until": {"if": "${artifacts.draft_note.title == 'good' && item.index > 0}", "max": 3},
    }
    run = scene.start(loop, phase("after") | {"prompt": "${artifacts.draft_note['2'].title}"})
    first, *_ = prompt(scene, run, "polish[1].draft").split("\n")
    assert first == "pass 1 (index 0) of 3: ", "the index counts from 0, in both kinds of loop"
    scene.submit(run, "polish[1].draft", {"title": "good"})
    second = prompt(scene, run, "polish[2].draft").split("\n")
    assert '["good"]' in second
    assert second[0].startswith("pass 2 (index 1) of 3: "), second[0]
    scene.submit(run, "polish[2].draft", {"title": "good"})
    assert prompt(scene, run, "after") == "good"


def test_an_until_loop_that_never_gets_there_stops_for_a_person(scene: Scene) -> None:
    loop = {"id": "polish", "kind": "loop", "phases": [phase("draft")], "until": {"if": "${false}", "max": 2}}
    run = scene.start(loop)
    scene.do(run, "polish[1].draft")
    scene.do(run, "polish[2].draft")
    assert scene.state(run).status == "waiting"
    assert "2 pass(es)" in " ".join(scene.status(run).data["blockers"])
    force_accept(scene.engine, HUMAN, run, "polish", "good enough")
    assert intact(scene, run).status == "completed"


def test_the_loops_own_gates_judge_what_was_made_in_it(scene: Scene) -> None:
    gates = [expr("${artifacts.code_note.all(k, artifacts.code_note[k].title != 'bad')}"), approval()]
    run = walking(scene, [{"id": "a"}], gates=gates)
    scene.do(run, "build[a].code", {"title": "bad"})
    assert (scene.attempt(run, "build").number, scene.attempt(run, "build").status) == (2, "running")
    assert scene.begin(run, "build[a].code").data["feedback"][0]["from"] == "build"
    scene.submit(run, "build[a].code")
    assert scene.attempt(run, "build").status == "awaiting"
    asked = decisions.ask_approval(scene.engine, AGENT, run, "build")
    assert asked.data["sha256"] == scene.attempt(run, "build").sha256
    decide(scene.engine, HUMAN, run, "build")
    assert intact(scene, run).status == "completed"


def test_a_loop_is_not_claimed_and_takes_no_artifact(scene: Scene) -> None:
    run = walking(scene, [{"id": "a"}])
    no = refused(scene.begin, run, "build")
    assert no.code == "illegal_transition"
    assert "build[a].code (ready)" in no.hint
    assert (
        refused(answers.submit_artifact, scene.engine, AGENT, run, "build", artifact=GOOD).code == "illegal_transition"
    )
    assert refused(answers.retry_phase, scene.engine, AGENT, run, "build").code == "needs_human"


def test_the_next_call_leads_into_the_open_item(scene: Scene) -> None:
    run = walking(scene, [{"id": "a"}, {"id": "b"}], for_each={"max_parallel": 2})
    status = scene.status(run)
    assert moves(status) == [("start_phase", "build[a].code"), ("start_phase", "build[b].code")]
    assert status.data["phases"] == [
        {"phase": "build[a].code", "state": "ready", "attempt": 1},
        {"phase": "build[b].code", "state": "ready", "attempt": 1},
        {"phase": "build", "state": "running", "attempt": 1, "items": "0/2"},
    ]
    scene.do(run, "build[a].code")
    assert "build 1/2" in scene.status(run).summary
    assert scene.begin(run).phase == "build[b].code"


def test_a_stop_inside_a_loop_is_shown_and_waits_for_a_person(scene: Scene) -> None:
    run = walking(scene, [{"id": "a"}, {"id": "b"}], phase("code", expr("${false}"), on_fail=STOP))
    scene.do(run, "build[a].code")
    status = scene.status(run)
    assert (status.run_state, status.waiting_on, moves(status)) == ("waiting", "human", [])
    assert "build[a].code failed" in status.data["blockers"][0]
    assert refused(answers.retry_phase, scene.engine, AGENT, run, "build[a].code").code == "needs_human"
    retry(scene.engine, HUMAN, run, "build[a].code", "try harder")
    assert scene.begin(run).phase == "build[a].code"
    intact(scene, run)


def test_a_jump_inside_an_item_leaves_the_others_and_one_outwards_begins_the_loop_again(scene: Scene) -> None:
    test = phase(
        "test",
        next=[
            {"if": "${artifacts.test_note.title == 'code'}", "goto": "code"},
            {"if": "${artifacts.test_note.title == 'plan'}", "goto": "plan"},
        ],
    )
    run = walking(scene, [{"id": "a"}, {"id": "b"}], phase("code"), test, for_each={"max_parallel": 2})
    scene.do(run, "build[b].code")
    scene.do(run, "build[a].code")
    scene.do(run, "build[a].test", {"title": "code"})
    again = scene.begin(run, "build[a].code")
    assert (again.data["attempt"], again.data["iteration"]) == (2, 2)
    assert again.data["feedback"][0]["from"] == "build[a].test"
    assert scene.attempt(run, "build[b].code").status == "completed"
    scene.submit(run, "build[a].code")
    scene.do(run, "build[a].test", {"title": "plan"})
    assert scene.state(run).loops == {}
    late = refused(answers.submit_artifact, scene.engine, AGENT, run, "build[b].test", attempt=1, artifact=GOOD)
    assert late.code == "stale_revision"
    scene.do(run, "plan", {"items": [{"id": "b"}]})
    assert keys_of(scene, run) == ("b",)
    assert scene.begin(run).data["attempt"] == 2
    intact(scene, run)


def test_a_person_sends_an_item_back_to_an_earlier_phase_of_it_or_around_it(scene: Scene) -> None:
    run = walking(scene, [{"id": "a"}], phase("code"), phase("test", approval()))
    for to in ("build[a].code", "code", "plan"):
        scene.do(run, "build[a].code")
        scene.do(run, "build[a].test")
        assert (
            refused(reject, scene.engine, HUMAN, run, "build[a].test", "no", to="build[z].code").code == "unknown_phase"
        )
        reject(scene.engine, HUMAN, run, "build[a].test", "no good", to=to)
    assert scene.attempt(run, "plan").status == "ready"
    assert [note.message for note in scene.attempt(run, "plan").feedback] == ["no good"]
    intact(scene, run)


def test_phases_that_read_the_files_do_not_share_them_inside_a_loop(scene: Scene) -> None:
    scene.check("test", "pass")
    run = walking(scene, [{"id": "a"}, {"id": "b"}], phase("code", command("test")), for_each={"max_parallel": 2})
    scene.begin(run, "build[a].code")
    assert refused(scene.begin, run, "build[b].code").code == "leased"
    assert scene.submit(run, "build[a].code").state == "completed"
    assert scene.do(run, "build[b].code").state == "completed"


def test_the_files_of_an_item_have_a_folder_of_its_own(scene: Scene) -> None:
    run = walking(scene, [{"id": "T-1"}])
    scene.do(run, "build[T-1].code")
    assert scene.mirror(run, "build[T-1].code", 1, "prompt.md").read_text().startswith("Write code.")
    assert json.loads(scene.mirror(run, "build[T-1].code", 1, "artifact.json").read_text()) == GOOD
    assert not scene.mirror(run, "build", 1, "prompt.md").exists()


def test_an_artifact_made_in_a_loop_is_read_by_its_phase_path(scene: Scene) -> None:
    run = walking(scene, [{"id": "a"}])
    unopened = scene.start(source(), each(phase("code")), name="unopened")
    assert "No item" in refused(answers.read_artifact, scene.engine, AGENT, unopened, artifact="code_note").hint
    scene.do(run, "build[a].code")
    assert answers.read_artifact(scene.engine, AGENT, run, artifact="list").data["content"] == {"items": [{"id": "a"}]}
    read = answers.read_artifact(scene.engine, AGENT, run, phase="build[a].code")
    assert read.data["content"] == GOOD
    which = refused(answers.read_artifact, scene.engine, AGENT, run, artifact="code_note")
    assert which.code == "bad_argument"
    assert which.hint == "Name the phase: build[a].code."
    assert refused(answers.read_artifact, scene.engine, AGENT, run, phase="build[b].code").code == "unknown_phase"
    assert refused(answers.read_artifact, scene.engine, AGENT, run, phase="build").code == "unknown_artifact"
    listed = answers.read_artifact(scene.engine, AGENT, run).data["artifacts"]
    assert [line["phase"] for line in listed] == ["plan", "build[a].code"]


def test_a_timeout_of_the_loop_ends_what_is_at_work_in_it(scene: Scene) -> None:
    run = walking(scene, [{"id": "a"}], timeout="1h", on_fail=STOP)
    scene.begin(run, "build[a].code")
    scene.clock.advance(hours=2)
    scene.work()
    assert scene.attempt(run, "build").fail_kind == "timeout"
    assert scene.attempt(run, "build[a].code").status == "cancelled"
    intact(scene, run)


def test_a_second_process_reads_the_same_state(scene: Scene) -> None:
    run = walking(scene, [{"id": "a"}, {"id": "b"}])
    scene.do(run, "build[a].code")
    from wfe_mcp.store import Store

    other = Store.open(scene.url, clock=scene.clock)
    with other.read() as tx, scene.store.read() as here:
        assert tx.runs.load(scene.engine.load(tx, run).record.id) == scene.engine.load(here, run)
    other.close()
