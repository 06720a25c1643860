"""Claims: tested by checks, judged by their results, never by an agent; falsified ones return after their follow-ups."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase, refused
from wfe_mcp.core.items import Item
from wfe_mcp.engine.evaluation.claim_tests import enqueue_test, outdated_tests
from wfe_mcp.engine.integrity.item_audit import item_changes
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.runs.control import control
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.items import add_item, change_item
from wfe_mcp.views.work.pages import Ledger, ledger

SCRIPT = {"type": "script", "check": "bench"}
FAST = {"type": "benchmark", "check": "bench", "regex": r"p95: ([\d.]+)", "threshold": 100, "comparison": "lte"}
PRINTS = "print(open('app.txt').read())"
READY = {"title": "Make it fast", "body": "As fast as it was", "criteria": ["it is fast"]}


def claimed(scene: Scene, *tests: dict[str, Any], **keys: Any) -> Item:
    return add_item(scene.engine, AGENT, "claim", {"title": "It is fast", "tests": list(tests), **keys})


def current(scene: Scene, name: str) -> Item:
    with scene.store.read() as tx:
        return tx.items.get(scene.engine.project_id, name)


def after_tests(scene: Scene, name: str) -> Item:
    enqueue_test(scene.engine, name)
    scene.work()
    return current(scene, name)


def bench(scene: Scene, p95: int = 80, code: str = PRINTS, **keys: Any) -> None:
    scene.write("app.txt", f"p95: {p95}\n")
    scene.check("bench", code, **keys)


def falsified(scene: Scene, **keys: Any) -> Item:
    bench(scene, 300)
    made = after_tests(scene, claimed(scene, FAST, **keys).id)
    assert made.status == "falsified"
    return made


@pytest.mark.requirement("S4-16", "S4-21", "S4-22", "S4-23")
def test_a_claim_is_validated_by_its_benchmark_and_falsified_by_a_change(scene: Scene) -> None:
    bench(scene)
    claim = claimed(scene, FAST, tags=["performance"], priority="high")
    assert claim.status == "pending"
    made = after_tests(scene, claim.id)
    assert (made.status, made.results[0]["value"], made.results[0]["why"]) == (
        "validated",
        80.0,
        "80, wanted at most 100",
    )
    with scene.store.read() as tx:
        assert outdated_tests(scene.engine, tx, made) == set()
    scene.write("app.txt", "p95: 300\n")
    with scene.store.read() as tx:
        assert outdated_tests(scene.engine, tx, made) == {"test-1"}
    made = after_tests(scene, claim.id)
    assert (made.status, made.reason) == ("falsified", "test-1: 300, wanted at most 100")
    assert made.results[0]["tree"]
    assert list(verify(scene.engine).findings) == []


TESTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a script that ends well": ("pass", SCRIPT, "passed"),
    "a script that fails": ("raise SystemExit(3)", SCRIPT, "failed"),
    "a program that is missing": ("", {**SCRIPT, "check": "none"}, "error"),
    "a script that changes files": ("open('new.txt', 'w').write('x')", SCRIPT, "error"),
    "a figure in JSON": (
        'print(\'{"p": [{"q": 7}]}\')',
        {"type": "benchmark", "check": "bench", "pointer": "/p/0/q", "threshold": 7, "comparison": "eq"},
        "passed",
    ),
    "a figure in a file that it wrote": (
        "import os; os.makedirs('.out', exist_ok=True); open('.out/f.json', 'w').write('{\"q\": 9}')",
        {"type": "benchmark", "check": "bench", "file": ".out/f.json", "pointer": "/q", "threshold": 7},
        "passed",
    ),
    "a figure in a file that it did not write": (
        "pass",
        {"type": "benchmark", "check": "bench", "file": ".out/old.json", "pointer": "/q", "threshold": 7},
        "error",
    ),
    "a figure in JSON after other lines, with a separator of lines in a text": (
        "print('begins'); print('{\"t\": \"a' + chr(0x2028) + 'b\", \"q\": 7}')",
        {"type": "benchmark", "check": "bench", "pointer": "/q", "threshold": 7},
        "passed",
    ),
    "a figure with commas between thousands": (
        "print('lines: -12,345,678.5')",
        {"type": "benchmark", "check": "bench", "regex": r"lines: (\S+)", "threshold": -12345678.5, "comparison": "eq"},
        "passed",
    ),
    "a figure with a comma before its fraction": (
        "print('accuracy: 0,93')",
        {"type": "benchmark", "check": "bench", "regex": r"accuracy: (\S+)", "threshold": 0.95},
        "error",
    ),
    "no such figure": ("pass", FAST, "error"),
    "a benchmark that fails": ("print('p95: 1'); raise SystemExit(1)", FAST, "error"),
    "an expression that never ends": (
        "print('a' * 50 + 'b')",
        {"type": "benchmark", "check": "bench", "regex": "(a+)+c", "threshold": 1},
        "error",
    ),
    "a metric of the check": (
        "pass",
        {"type": "metric_threshold", "check": "bench", "metric": "duration_s", "threshold": 60, "comparison": "lte"},
        "passed",
    ),
    "a metric that the check lacks": (
        "pass",
        {"type": "metric_threshold", "check": "bench", "metric": "coverage_percent", "threshold": 60},
        "error",
    ),
    "no test that ran": ("pass", {"type": "unit_test", "check": "bench"}, "error"),
}


@pytest.mark.requirement("S4-22")
def test_tests_that_expect_the_same_of_a_check_are_read_from_one_run_of_it(scene: Scene) -> None:
    code = "print('p95: 80'); open('.out/q', 'w').write('7'); open('.out/runs', 'a').write('x')"
    (scene.root / ".out").mkdir()
    scene.write(".out/link", "")
    scene.check("bench", code, writes=[".out/**"])
    wrote = {"type": "benchmark", "check": "bench", "file": ".out/q", "regex": "(.+)", "threshold": 7}
    old = {**wrote, "file": ".out/link"}
    made = after_tests(scene, claimed(scene, SCRIPT, FAST, wrote, old).id)
    assert [each["outcome"] for each in made.results] == ["passed", "passed", "passed", "error"]
    assert made.results[3]["why"] == "the check did not write '.out/link'"
    assert (scene.root / ".out/runs").read_text() == "x"


@pytest.mark.requirement("S4-22")
@pytest.mark.parametrize("name", TESTS)
def test_the_type_of_a_test_says_how_its_check_is_read(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, test, outcome = TESTS[name]
    monkeypatch.setattr("wfe_mcp.gates.measures._SEARCH_S", 1.0)
    scene.write(".out/old.json", '{"q": 9}')
    scene.check("bench", code, writes=[".out/**"])
    if test["check"] == "none":
        with (scene.root / ".wfe/config.toml").open("a", encoding="utf-8") as config:
            config.write('[checks.none]\nargv = ["no-such-program"]\n')
        scene.trust_config()
    made = after_tests(scene, claimed(scene, test).id)
    assert made.results[0]["outcome"] == outcome, made.results
    assert made.status == {"passed": "validated", "failed": "falsified", "error": "inconclusive"}[outcome]
    assert outcome == "passed" or made.reason


GOLD = "id,label\na,cat\nb,dog\nc,cat\nd,cow\n"


@pytest.mark.requirement("S4-22", "S4-31")
@pytest.mark.parametrize("where", ["worktree", "checkout"])
def test_an_output_is_compared_with_a_gold_set_of_the_configuration(scene: Scene, where: str) -> None:
    answers = {"a": "cat", "b": "dog", "c": "cat", "d": "cat", "e": "cow"}
    rows = [{"id": key, "label": value} for key, value in answers.items()]
    scene.write("gold.csv", GOLD)
    scene.write("answers.json", json.dumps(rows))
    code = "import os; os.makedirs('.out', exist_ok=True); open('.out/a.json', 'w').write(open('answers.json').read())"
    scene.check("bench", code, writes=[".out/**"], where=where)
    with (scene.root / ".wfe/config.toml").open("a", encoding="utf-8") as config:
        config.write('[claims.gold_sets.animals]\npath = "gold.csv"\nkey = "id"\nvalue = "label"\n')
    scene.trust_config()
    test = {"type": "gold_set", "check": "bench", "gold_set": "animals", "output": ".out/a.json"}
    good, bad = claimed(scene, {**test, "threshold": 0.75}), claimed(scene, {**test, "threshold": 0.8})
    assert after_tests(scene, good.id).status == "validated"
    made = after_tests(scene, bad.id)
    assert made.reason.startswith("test-1: 0.75, wanted at least 0.8 (4 answers, gold set sha256 ")
    wrong = refused(claimed, scene, {**test, "gold_set": "animal", "threshold": 1})
    assert (wrong.code, wrong.hint) == ("bad_argument", "Did you mean 'animals'?")


@pytest.mark.requirement("S4-23")
def test_an_agent_gives_evidence_and_only_a_person_says_what_it_means(scene: Scene) -> None:
    bench(scene)
    claim = claimed(scene, SCRIPT, {"type": "manual", "checklist": ["it feels fast"], "name": "feel"})
    scene.write("notes.md", "Seen on a slow machine.")
    given = {"ref": "notes.md", "reason": "measured"}
    made = change_item(scene.engine, AGENT, claim.id, {"evidence": [given]})
    assert (made.status, len(made.evidence[0]["sha256"])) == ("pending", 64)
    for judged in ({**given, "supports": True}, {"test": "feel", "supports": True, "reason": "yes"}):
        assert refused(change_item, scene.engine, AGENT, claim.id, {"evidence": judged}).code == "needs_human"
    for status in ("validated", "falsified", "inconclusive"):
        for who in (AGENT, HUMAN):
            assert refused(change_item, scene.engine, who, claim.id, {}, status).code == "illegal_transition"
    made = after_tests(scene, claim.id)
    assert (made.status, made.reason) == ("inconclusive", "feel has no result")
    made = change_item(scene.engine, HUMAN, claim.id, {"evidence": {"test": "feel", "supports": True, "reason": "yes"}})
    assert made.status == "validated"
    made = change_item(scene.engine, HUMAN, claim.id, {"evidence": {"supports": False, "reason": "slow for me"}})
    assert (made.status, made.reason) == ("falsified", "slow for me")
    assert refused(change_item, scene.engine, HUMAN, claim.id, {"evidence": {**given, "supports": True}}).code == (
        "illegal_transition"
    )


@pytest.mark.attack("an agent changes what is claimed, or how it is tested, until it holds", "held", "S4-21")
def test_a_claim_and_its_tests_stay_as_they_were_added(scene: Scene) -> None:
    bench(scene)
    claim = claimed(scene, FAST)
    for values in ({"title": "It is there"}, {"tests": [SCRIPT]}):
        assert refused(change_item, scene.engine, AGENT, claim.id, values).code == "illegal_transition"
    assert refused(change_item, scene.engine, AGENT, claim.id, {}, "deprecated").code == "needs_human"
    assert (
        refused(add_item, scene.engine, AGENT, "task", {"title": "No claim", "tests": [SCRIPT]}).code == "bad_argument"
    )
    assert "unknown key 'argv'" in refused(claimed, scene, {**SCRIPT, "argv": ["rm"]}).message
    assert "not configured" in refused(claimed, scene, {**SCRIPT, "check": "bensh"}).message


@pytest.mark.attack("an agent deploys, or reads a credential, by a test of a claim", "held", "S4-22")
def test_a_test_names_no_check_that_deploys_or_gets_a_credential(scene: Scene) -> None:
    bench(scene)
    scene.check("deploy", "open('deployed', 'w')")
    scene.check("login", "pass")
    with (scene.root / ".wfe/config.toml").open("a", encoding="utf-8") as config:
        config.write('credentials = { npm = "NPM" }\n[environments.prod]\nkind = "production"\n')
        config.write('deploy = "deploy"\nhealth = "bench"\n')
    scene.trust_config()
    for name in ("deploy", "login"):
        assert "deploys or gets a credential" in refused(claimed, scene, {**SCRIPT, "check": name}).message


@pytest.mark.requirement("S4-25")
def test_a_falsified_claim_is_taken_up_again_once_its_follow_ups_are_done(scene: Scene) -> None:
    claim = falsified(scene)
    assert refused(enqueue_test, scene.engine, claim.id).code == "illegal_transition"
    assert "no follow-up yet" in refused(change_item, scene.engine, AGENT, claim.id, {}, "pending").message
    task = add_item(scene.engine, AGENT, "task", READY)
    change_item(scene.engine, AGENT, claim.id, {"needs": [task.id]})
    assert task.id in refused(change_item, scene.engine, AGENT, claim.id, {}, "pending").message
    assert refused(change_item, scene.engine, AGENT, claim.id, {"needs": []}).code == "needs_human"
    scene.clock.advance(minutes=1)
    change_item(scene.engine, HUMAN, task.id, {}, "dropped")
    made = change_item(scene.engine, AGENT, claim.id, {}, "pending")
    assert (made.status, made.results, made.reason) == ("pending", (), "")
    scene.write("app.txt", "p95: 60\n")
    assert after_tests(scene, claim.id).status == "validated"
    found = ledger(scene.engine).view_as(Ledger)
    (one,) = found.falsified
    assert (found.open, one.status, one.why) == (0, "validated", "test-1: 300, wanted at most 100")
    assert [each.id for each in one.follow_ups] == [task.id]
    assert one.at < one.again_at
    assert one.commit == scene.git("rev-parse", "HEAD").strip()
    assert list(verify(scene.engine).findings) == []


GATE = {"kind": "claims", "stage": "qa"}


def started(scene: Scene, *, gate: dict[str, Any] = GATE) -> tuple[str, str]:
    """A task and the run that works it, with a gate on claims."""
    scene.define(phase("plan", gate))
    task = add_item(scene.engine, AGENT, "task", READY)
    change_item(scene.engine, AGENT, task.id, {}, "ready")
    return task.id, start_item(scene.engine, AGENT, task.id, "drill").record.id


def verdicts(scene: Scene, run: str) -> list[tuple[str, str]]:
    attempts = scene.state(run).attempts
    return [(str(each.kind), each.message) for path in attempts for one in attempts[path] for each in one.verdicts]


@pytest.mark.requirement("S4-24")
def test_the_gate_tests_the_claims_of_the_item_for_its_stage(scene: Scene) -> None:
    bench(scene, 300)
    task, run = started(scene)
    claim = claimed(scene, {**FAST, "stages": ["qa"]}, {**SCRIPT, "stages": ["release"], "name": "later"}, parent=task)
    claimed(scene, {**FAST, "stages": ["qa"]})
    scene.do(run, "plan")
    assert [kind for kind, _ in verdicts(scene, run)] == ["fail"]
    assert f"1 of 1 claim not shown for stage 'qa': {claim.id}" in verdicts(scene, run)[0][1]
    assert current(scene, claim.id).status == "falsified"
    scene.write("app.txt", "p95: 60\n")
    scene.do(run, "plan")
    assert [kind for kind, _ in verdicts(scene, run)] == ["fail", "pass"], "its own run is its follow-up"
    made = current(scene, claim.id)
    assert (made.status, [each["test"] for each in made.results]) == ("inconclusive", ["test-1"])


@pytest.mark.requirement("S4-24", "S4-25")
def test_the_gate_waits_for_open_follow_ups_and_the_run_of_the_last_one_shows_the_claim(scene: Scene) -> None:
    bench(scene, 300)
    task, run = started(scene)
    claim = claimed(scene, FAST, parent=task)
    assert after_tests(scene, claim.id).status == "falsified"
    other = add_item(scene.engine, AGENT, "task", {**READY, "title": "Cache it"})
    change_item(scene.engine, AGENT, claim.id, {"needs": [other.id]})
    scene.write("app.txt", "p95: 60\n")
    scene.do(run, "plan")
    assert f"its follow-ups are open: {other.id}" in verdicts(scene, run)[-1][1]
    control(scene.engine, HUMAN, run, "cancel")
    change_item(scene.engine, AGENT, other.id, {}, "ready")
    second = start_item(scene.engine, AGENT, other.id, "drill").record.id
    scene.do(second, "plan")
    assert [kind for kind, _ in verdicts(scene, second)] == ["pass"]
    assert current(scene, claim.id).status == "validated"


@pytest.mark.requirement("S4-24", "S4-31")
@pytest.mark.parametrize("by", ["no one", "the template", "the project"])
def test_without_a_claim_the_gate_is_passed_over_unless_one_is_required(scene: Scene, by: str) -> None:
    bench(scene)
    if by == "the project":
        with (scene.root / ".wfe/config.toml").open("a", encoding="utf-8") as config:
            config.write("[claims]\nrequire = true\n")
        scene.trust_config()
    _, run = started(scene, gate={**GATE, "require": True} if by == "the template" else GATE)
    scene.do(run, "plan")
    assert "The run has no claim with a test for stage 'qa'." in verdicts(scene, run)[0][1]
    assert [kind for kind, _ in verdicts(scene, run)] == ["pass" if by == "no one" else "fail"]


def test_an_untrusted_configuration_tests_no_claim_and_an_error_falsifies_nothing(scene: Scene) -> None:
    bench(scene, code="print('nothing')")
    task, run = started(scene)
    claim = claimed(scene, FAST, parent=task)
    scene.do(run, "plan")
    assert "could not run: nothing in the output" in verdicts(scene, run)[0][1]
    assert current(scene, claim.id).status == "inconclusive"
    scene.check("more", "pass", trusted=False)
    assert refused(enqueue_test, scene.engine, claim.id).code == "needs_trust"


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is a signal of POSIX")
@pytest.mark.requirement("S4-22", "B-02")
def test_a_worker_killed_in_the_middle_of_a_test_leaves_the_claim_as_it_was(scene: Scene, tmp_path: Path) -> None:
    bench(scene)
    marker = tmp_path / "begun"
    kills = f"import os, pathlib; m = pathlib.Path({str(marker)!r}); d = m.exists(); m.touch()\n"
    kills += f"d or os.kill(int(os.environ['WORKER']), {int(signal.SIGKILL)})\nprint('p95: 5')"
    (scene.root / ".wfe/config.toml").unlink()
    scene.check("bench", kills, env=["WORKER"])
    claim = claimed(scene, FAST)
    enqueue_test(scene.engine, claim.id)
    worker = Path(__file__).parents[1] / "deployments" / "dying_worker.py"
    words = [sys.executable, str(worker), scene.url, str(scene.root), "", "", ""]
    done = subprocess.run(words, env=scene.environment, cwd=Path.cwd(), timeout=120, check=False)
    assert done.returncode == -9, done
    assert (current(scene, claim.id).status, current(scene, claim.id).results) == ("pending", ())
    scene.work()
    scene.clock.advance(minutes=5)
    scene.work()
    assert current(scene, claim.id).status == "validated"
    assert list(verify(scene.engine).findings) == []


@pytest.mark.attack("an edited log gives a claim a verdict that its results do not have", "detected", "S4-23")
def test_a_verdict_that_does_not_follow_from_its_results_is_found(scene: Scene) -> None:
    bench(scene, 300)
    claim = claimed(scene, FAST)
    with scene.store.tx() as tx:
        tx.items.change(scene.engine.project_id, claim, {"status": "validated"}, AGENT, scene.clock())
    with scene.store.read() as tx:
        found = [needs for _, _, needs in item_changes(tx, scene.engine.project_id)]
    assert found == [False, True]
