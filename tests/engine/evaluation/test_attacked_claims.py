"""Claims that an agent wants to hold: hidden from the gate, taken up without work, contradicted while they are tested."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.evaluation.test_claims import (
    FAST,
    READY,
    SCRIPT,
    after_tests,
    bench,
    claimed,
    current,
    falsified,
    started,
    verdicts,
)
from tests.engine.scene import AGENT, HUMAN, Scene, refused
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.evaluation.claim_tests import claims_found, outdated_tests
from wfe_mcp.engine.integrity.item_audit import item_changes
from wfe_mcp.engine.work.items import add_item, change_item
from wfe_mcp.gates.scene import ClaimsFound
from wfe_mcp.jobs.child import ChildResult, run_child


@pytest.mark.attack("an agent hides a claim from the gate under another item", "held", "S4-24")
def test_an_agent_gives_a_claim_no_other_parent(scene: Scene) -> None:
    bench(scene, 300)
    task, run = started(scene)
    claim = claimed(scene, FAST, parent=task)
    other = add_item(scene.engine, AGENT, "task", {**READY, "title": "Another"})
    for parent in (other.id, ""):
        assert refused(change_item, scene.engine, AGENT, claim.id, {"parent": parent}).code == "needs_human"
    scene.do(run, "plan")
    assert [kind for kind, _ in verdicts(scene, run)] == ["fail"]
    free = claimed(scene, SCRIPT)
    assert change_item(scene.engine, AGENT, free.id, {"parent": task}).parent == task
    assert change_item(scene.engine, HUMAN, claim.id, {"parent": other.id}).parent == other.id


@pytest.mark.attack("an agent wipes a contradiction of a person by a follow-up that was done long ago", "held", "S4-25")
def test_an_agent_takes_up_no_claim_that_a_person_contradicted(scene: Scene) -> None:
    bench(scene)
    done = add_item(scene.engine, AGENT, "task", READY)
    claim = after_tests(scene, claimed(scene, SCRIPT).id)
    change_item(scene.engine, HUMAN, done.id, {}, "done")
    made = change_item(scene.engine, HUMAN, claim.id, {"evidence": {"supports": False, "reason": "slow for me"}})
    assert made.status == "falsified"
    assert refused(change_item, scene.engine, AGENT, claim.id, {"needs": [done.id]}, "pending").code == "needs_human"
    made = current(scene, claim.id)
    assert (made.status, made.evidence[0]["reason"]) == ("falsified", "slow for me")
    made = change_item(scene.engine, HUMAN, claim.id, {"needs": [done.id]}, "pending")
    assert (made.status, made.evidence) == ("pending", ())


@pytest.mark.attack("an agent takes a falsified claim up again with nothing done since", "held", "S4-25")
def test_a_follow_up_is_over_only_after_the_claim_was_falsified(scene: Scene) -> None:
    done = add_item(scene.engine, AGENT, "task", READY)
    change_item(scene.engine, HUMAN, done.id, {}, "done")
    claim = falsified(scene, needs=[done.id])
    why = refused(change_item, scene.engine, AGENT, claim.id, {}, "pending")
    assert (why.code, done.id in why.message) == ("not_ready", True)
    task = add_item(scene.engine, AGENT, "task", {**READY, "title": "Another"})
    change_item(scene.engine, HUMAN, task.id, {}, "done")
    made = change_item(scene.engine, AGENT, claim.id, {"needs": [done.id, task.id]}, "pending")
    assert made.status == "pending"


@pytest.mark.attack("an agent drops what a person said by taking a claim up again", "held", "S4-23")
def test_evidence_of_a_person_stays_when_an_agent_takes_the_claim_up_again(scene: Scene) -> None:
    claim = falsified(scene)
    with scene.store.tx() as tx:
        said = {"evidence": ({"supports": True, "reason": "fast for me", "tree": "x"},)}
        tx.items.change(scene.engine.project_id, claim, said, HUMAN, scene.clock())
    task = add_item(scene.engine, AGENT, "task", READY)
    change_item(scene.engine, HUMAN, task.id, {}, "done")
    made = change_item(scene.engine, AGENT, claim.id, {"needs": [task.id]}, "pending")
    assert (made.results, [each["reason"] for each in made.evidence]) == ((), ["fast for me"])
    with scene.store.tx() as tx:
        tx.items.change(scene.engine.project_id, made, {"evidence": ()}, AGENT, scene.clock())
    with scene.store.read() as tx:
        assert [needs for *_, needs in item_changes(tx, scene.engine.project_id)][-1]


def gate_found(scene: Scene, run: str, during: Callable[[], object]) -> ClaimsFound:
    """The claims of a run, while ``during`` happens as its first test runs."""
    left = [during]

    def child(*args: Any, **keys: Any) -> ChildResult:
        if left:
            left.pop()()
        return run_child(*args, **keys)

    with scene.store.read() as tx:
        record = scene.engine.load(tx, run).record
    return claims_found(scene.engine, record, {}, child, scene.root.parent / "evidence", "")


def test_what_a_person_decides_while_the_gate_tests_counts_at_the_gate(scene: Scene) -> None:
    bench(scene, 300)
    scene.check("well", "pass")
    task, run = started(scene)
    first = claimed(scene, {**SCRIPT, "check": "well"}, parent=task)
    ended, waiting = (after_tests(scene, claimed(scene, FAST, parent=task).id) for _ in range(2))
    assert (ended.status, waiting.status) == ("falsified", "falsified")
    scene.write("app.txt", "p95: 60\n")
    shown = after_tests(scene, claimed(scene, FAST, parent=task).id)
    later = add_item(scene.engine, AGENT, "task", {**READY, "title": "Later"})

    def during() -> None:
        change_item(scene.engine, HUMAN, ended.id, {}, "deprecated")
        change_item(scene.engine, AGENT, waiting.id, {"needs": [later.id]})
        change_item(scene.engine, HUMAN, shown.id, {"evidence": {"supports": False, "reason": "slow for me"}})

    found = {each.id: each.why for each in gate_found(scene, run, during).claims}
    assert current(scene, ended.id).status == "deprecated"
    assert current(scene, waiting.id).status == "falsified"
    assert found == {
        first.id: "",
        waiting.id: f"falsified: {waiting.reason}; its follow-ups are open: {later.id}",
        shown.id: "falsified: slow for me",
    }


GOLD_SET = '[claims.gold_sets.answers]\npath = ".gold/a.csv"\nkey = "id"\nvalue = "label"\n'
CHANGES: dict[str, Callable[[Scene], None]] = {
    "the argv of its check": lambda scene: configure(scene, "# another\n" + COPIES),
    "the level of evidence": lambda scene: configure(scene, COPIES, '[policy]\nevidence = "checkout"\n'),
    "the bytes of its gold set": lambda scene: put(scene, ".gold/a.csv", "id,label\na,dog\n"),
}
COPIES = "import os; os.makedirs('.out', exist_ok=True); open('.out/a.csv', 'w').write('id,label\\na,cat\\n')"


def configure(scene: Scene, code: str, more: str = "") -> None:
    scene.write(".wfe/config.toml", more + GOLD_SET)
    scene.check("bench", code, writes=[".out/**"])


def put(scene: Scene, name: str, text: str) -> None:
    scene.write(name, text)


@pytest.mark.attack("a result of another program or another gold set counts for a claim", "held", "S4-22")
@pytest.mark.parametrize("what", CHANGES)
def test_a_result_is_outdated_when_what_tested_the_claim_has_changed(scene: Scene, what: str) -> None:
    scene.write(".gitignore", ".gold/\n.wfe/\n.out/\n")
    put(scene, ".gold/a.csv", "id,label\na,cat\n")
    configure(scene, COPIES)
    test = {"type": "gold_set", "check": "bench", "gold_set": "answers", "output": ".out/a.csv", "threshold": 1}
    claim = after_tests(scene, claimed(scene, test).id)
    assert claim.status == "validated", claim.results
    with scene.store.read() as tx:
        assert outdated_tests(scene.engine, tx, claim) == set()
    CHANGES[what](scene)
    with scene.store.read() as tx:
        assert outdated_tests(scene.engine, tx, claim) == {"test-1"}


@pytest.mark.attack("an agent gives so much evidence that a person cannot contradict the claim", "held", "S4-23")
def test_the_limit_on_evidence_stops_no_person(scene: Scene) -> None:
    bench(scene)
    claim = claimed(scene, SCRIPT)
    change_item(scene.engine, AGENT, claim.id, {"evidence": [{"reason": "seen"}] * 50})
    assert refused(change_item, scene.engine, AGENT, claim.id, {"evidence": {"reason": "seen"}}).code == "too_large"
    made = change_item(scene.engine, HUMAN, claim.id, {"evidence": {"supports": False, "reason": "slow for me"}})
    assert (made.status, len(made.evidence)) == ("falsified", 51)


def test_a_validated_claim_that_cannot_be_changed_is_called_a_claim(scene: Scene) -> None:
    bench(scene)
    claim = after_tests(scene, claimed(scene, SCRIPT).id)
    why = refused(change_item, scene.engine, AGENT, claim.id, {"body": "Another text"})
    assert "wfe-mcp claim add" in why.hint


def test_the_verdict_of_the_gate_has_what_each_result_is_about(scene: Scene) -> None:
    bench(scene)
    task, run = started(scene)
    claim = claimed(scene, FAST, parent=task)
    scene.do(run, "plan")
    with scene.store.read() as tx:
        (shown,) = [row.data for row in tx.evidence.of_run(RunId(run)) if "claims" in row.data]
    (one,) = shown["claims"]
    (made,) = one["results"]
    assert one["claim"] == claim.id
    assert (made["test"], made["outcome"], made["exit_code"], made["value"]) == ("test-1", "passed", 0, 80.0)
    assert made["program"]["sha256"]
    assert all(made[each] for each in ("output_sha256", "log", "tree", "level", "setup"))
