"""Exit code 0 of a runner whose tests the program that they test skips or ends, in files that define no check."""

import json
import sys

import pytest

from tests.engine.scene import Scene, approval, command, phase
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.reports.envelopes import overview_of

TESTS = "from shop import total\n\n\n" + "".join(
    f"def test_{name}():\n    assert total({given}) == {result}\n\n\n"
    for name, given, result in (("one", [1], 1), ("none", [], 0))
)
GOOD = "def total(prices):\n    return sum(prices)\n"


def decision(scene: Scene, run: str) -> list[tuple[str, str]]:
    """What the decision of the second phase names as unusual."""
    view = open_approval(scene.engine, overview_of(scene.engine, run), "build")
    assert view is not None
    return [(one.text, one.why) for one in view.unusual]


def work(scene: Scene, *codes: str) -> str:
    """A run whose check runs pytest after each of two phases, which write ``codes`` into the program."""
    scene.write("test_shop.py", TESTS)
    scene.write(".gitignore", "__pycache__/\n.wfe/runs/\n")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    scene.write(".wfe/config.toml", f"[checks.ok]\nargv = {json.dumps(argv)}\nwhere = 'checkout'\n")
    scene.trust_config()
    run = scene.start(phase("plan", command("ok")), phase("build", command("ok"), approval()))
    for name, code in zip(("plan", "build"), codes, strict=True):
        scene.begin(run, name)
        scene.write("shop.py", code)
        scene.submit(run, name)
    return run


@pytest.mark.attack("the program that is tested skips its tests, or ends their runner", "detected", "T15")
@pytest.mark.parametrize(
    ("code", "warning"),
    [
        ("import os\n\nos._exit(0)\n", "exit 0, but pytest left no report that counts: how many tests ran is unknown"),
        (
            "import pytest\n\n\ndef total(prices):\n    pytest.skip('later')\n",
            "exit 0, but no test ran, 2 skipped in",
        ),
    ],
)
def test_a_pass_without_a_test_is_a_warning(scene: Scene, code: str, warning: str) -> None:
    run = work(scene, GOOD, code)
    (verdict,) = scene.attempt(run, "build").verdicts
    assert (verdict.outcome, verdict.message[: len(warning)]) == (GateOutcome.WARNING, warning)
    assert f"Gate ok passed with a warning: {warning}" in decision(scene, run)[0][0]


@pytest.mark.attack("the program that is tested skips some of its tests", "detected", "T15")
def test_fewer_tests_than_at_first_are_unusual(scene: Scene) -> None:
    run = work(scene, GOOD, GOOD.replace("return", "prices or __import__('pytest').skip('later')\n    return"))
    assert decision(scene, run)[0][0] == "Check ok ran fewer tests than at first: 1, and at first 2."


@pytest.mark.attack("the program that is tested ends the runner of its tests with exit code 0", "held", "T15")
def test_a_test_in_which_the_runner_ended_is_no_pass(scene: Scene) -> None:
    run = work(scene, GOOD, "import pytest\n\n\ndef total(prices):\n    pytest.exit('fine', returncode=0)\n")
    (verdict,) = scene.attempt(run, "build", 1).verdicts
    assert verdict.outcome is GateOutcome.FAIL
    assert "exit 0, but 1 test failed in its report" in verdict.message


@pytest.mark.attack("the program that is tested ends the runner before a test that the gate names", "held", "T15")
def test_a_named_test_has_not_passed_where_the_runner_left_no_report(scene: Scene) -> None:
    scene.write("test_shop.py", TESTS)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    scene.write(".wfe/config.toml", f"[checks.ok]\nargv = {json.dumps(argv)}\nwhere = 'checkout'\n")
    scene.trust_config()
    gate = command("ok", exit_code=0, passes="${artifacts.fix_note.title}")
    run = scene.start(phase("fix", gate))
    scene.begin(run, "fix")
    scene.write("shop.py", "import os\n\nos._exit(0)\n")
    scene.submit(run, "fix", {"title": "test_shop.py", "body": "done"})
    (verdict,) = scene.attempt(run, "fix", 1).verdicts
    assert verdict.outcome is GateOutcome.FAIL
    assert "its runner left no report that counts, as where the program ends it" in verdict.message


def test_as_many_tests_as_at_first_are_not_unusual(scene: Scene) -> None:
    assert decision(scene, work(scene, GOOD, f"# as before\n{GOOD}")) == []
