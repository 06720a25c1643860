"""A bug is fixed through the real server, in both protocol eras."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import BUGGED, CHANGE, FIXED, PROBLEM, PROOF, QUICK_FIX, SHOWN, UNITTEST, event_types
from tests.sandboxes import NEEDS_SANDBOX
from wfe_mcp.testing.agent import Work, drive, follow
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, Era, StdioClient
from wfe_mcp.workspace.config.checks import CheckSettings

ERAS = pytest.mark.parametrize("era", [HANDSHAKE, MODERN])


@pytest.mark.requirement("S0-01", "S3-03", "S1-04")
@ERAS
def test_a_happy_quick_fix_takes_at_most_nine_calls(bugged: Playground, era: Era):
    with bugged.server(era) as agent:
        agent.call("list_templates")
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, QUICK_FIX, person=bugged.approve)

    assert played.last["run_state"] == "completed"
    assert len(agent.calls) <= 9
    assert bugged.problems(played.run) == []


OF_A_TEAM = {
    "authlib",
    "fastapi",
    "httpx",
    "joserfc",
    "procrastinate",
    "prometheus_client",
    "psycopg",
    "opentelemetry.sdk",
}
NOT_FOR_THIS = {"alembic", "cel_expr_python", "google", "jsonschema", "keyring", "openai", "rich", "webauthn", "xml"}
"""Each takes 0.5 to 15 MB: CEL only for expressions that are no paths, XML only for reports that are."""


def test_a_server_that_has_seen_a_quick_fix_through_holds_nothing_that_it_did_not_need(
    bugged: Playground, tmp_path: Path
):
    listed = tmp_path / "modules"
    script = f"import sys, wfe_mcp.__main__ as m; m.main(); open({str(listed)!r}, 'w').write(' '.join(sys.modules))"
    argv = [sys.executable, "-c", script, "serve", "--project", str(bugged.root)]

    with StdioClient(argv, cwd=bugged.root, env=bugged.environment) as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, QUICK_FIX, person=bugged.approve)

    assert played.last["run_state"] == "completed"
    loaded = set(listed.read_text(encoding="utf-8").split())
    assert "mcp.server.mcpserver" in loaded
    assert (OF_A_TEAM | NOT_FOR_THIS) & loaded == set()


@pytest.mark.parametrize(
    ("keys", "level"),
    [
        pytest.param({"where": "checkout"}, "checkout", id="checkout"),
        pytest.param({"where": "checkout", "sandbox": True}, "sandbox", id="sandbox", marks=NEEDS_SANDBOX),
    ],
)
def test_a_quick_fix_is_proved_in_a_place_of_its_own(play: MakePlayground, keys: dict[str, Any], level: str):
    bugged = play(BUGGED, {"test": CheckSettings(argv=list(UNITTEST), **keys)})
    levels: list[str] = []

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, QUICK_FIX, person=bugged.approve)
        shown = agent.call("status", run=played.run, detail="full")

    for phase in shown["data"]["phases"]:
        levels += [each["level"] for each in phase.get("verdicts", ()) if each["gate"] == "command"]
    assert played.last["run_state"] == "completed"
    assert levels == [level, level]
    assert bugged.problems(played.run) == []


def test_a_claim_without_the_work_is_refused_by_what_the_server_saw(bugged: Playground):
    script = {**QUICK_FIX, "fix": [Work(CHANGE), *QUICK_FIX["fix"]]}

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, script, person=bugged.approve)

    failed = next(answer for _, answer in played.steps if "error" in answer)
    assert failed["error"]["code"] == "gate_failed"
    assert (
        "tests/test_calc.py changed since the run started, but no file outside tests/**" in failed["error"]["message"]
    )
    assert played.last["run_state"] == "completed"


def test_a_change_that_does_not_fix_the_bug_is_refused_by_the_named_test(bugged: Playground):
    script = {**QUICK_FIX, "fix": [Work(CHANGE, {"calc.py": "def add(a, b):\n    return b - a\n"}), *QUICK_FIX["fix"]]}

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, script, person=bugged.approve)

    failed = next(answer for _, answer in played.steps if "error" in answer)
    assert "exit 1, expected 0" in failed["error"]["message"]
    assert f"{PROOF['test']!r} fails, but must pass" in failed["error"]["message"]
    assert played.last["run_state"] == "completed"


@pytest.mark.parametrize(
    ("change", "files", "why"),
    [
        (
            {"test": "tests/test_calc.py::TestAdd::test_one_and_to"},
            SHOWN,
            "did you mean 'test_one_and_two (test_calc.TestAdd",
        ),
        ({"test": "*"}, SHOWN, "'*' is not among the failing tests"),
        ({"test": "test_nothing"}, SHOWN, "'test_nothing' passes, but must fail"),
        ({"file": "tests/test_sums.py"}, SHOWN, "no file matches 'tests/test_sums.py'"),
        (
            {},
            {**SHOWN, "calc.py": "def add(a, b):\n    return 0\n"},
            "calc.py changed since the run started, outside tests/**",
        ),
        ({}, {}, "exit 0, but this gate requires a failure"),
    ],
)
def test_only_the_named_test_shows_the_bug_and_only_tests_change(
    bugged: Playground, change: dict[str, str], files: dict[str, str], why: str
):
    bad = Work(PROOF | change, files)
    good = Work(PROOF, {**BUGGED, **SHOWN})
    script = {**QUICK_FIX, "reproduce": [bad, good]}

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, script, person=bugged.approve)

    failed = next(answer for _, answer in played.steps if "error" in answer)
    assert (failed["error"]["code"], failed["phase"]) == ("gate_failed", "reproduce")
    assert why in failed["error"]["message"]
    assert (played.codes, played.last["run_state"]) == (["gate_failed", "needs_human"], "completed")


def test_a_bug_that_a_person_sends_back_is_shown_again_without_the_fix(bugged: Playground):
    asked: list[str] = []

    def person(run: str, phase: str) -> None:
        asked.append(phase)
        if len(asked) == 1:
            bugged.reject(run, phase, "test 2 + 2 too", to="reproduce")
        else:
            bugged.approve(run, phase)

    again = {"tests/test_calc.py": SHOWN["tests/test_calc.py"].replace("add(1, 2), 3", "add(2, 2), 4")}
    undone = Work(PROOF, {**again, "calc.py": BUGGED["calc.py"]})
    script = {"reproduce": [*QUICK_FIX["reproduce"], Work(PROOF, again), undone], "fix": [*QUICK_FIX["fix"]] * 2}

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, script, person=person)

    assert played.codes == ["needs_human", "gate_failed", "needs_human"]
    assert played.last["run_state"] == "completed"


def test_a_fix_that_touches_the_test_is_refused(bugged: Playground):
    cheat = Work(CHANGE, {**FIXED, "tests/test_calc.py": BUGGED["tests/test_calc.py"]})

    with bugged.agent() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, {**QUICK_FIX, "fix": [cheat, cheat, cheat]})

    assert played.codes == ["gate_failed"] * 3
    assert played.last["state"] == "failed"
    assert "PhaseCompleted" not in event_types(bugged, played.run, "fix")


@ERAS
def test_an_agent_cannot_get_past_a_person(bugged: Playground, era: Era):
    with bugged.agent(era) as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, QUICK_FIX)
        on = {"run": played.run, "phase": "fix"}
        codes = [
            agent.call("approve", **on, comment="the user said yes")["error"]["code"],
            agent.call("skip_phase", **on, reason="not needed")["error"]["code"],
        ]
        state = agent.call("status", run=played.run)

    assert codes == ["needs_human", "needs_human"]
    assert (state["run_state"], state["waiting_on"]) == ("waiting", "human")


@ERAS
def test_an_agent_that_only_follows_next_finishes_a_quick_fix(play: MakePlayground, era: Era):
    test = "import stats\n\n\ndef test_average_of_nothing_is_zero():\n    assert stats.MEAN == 0\n"
    pytest_check = [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"]
    playground = play({"stats.py": "MEAN = 1\n"}, {"test": pytest_check})
    work = {
        "reproduce": {"tests/test_stats.py": test},
        "fix": {"stats.py": "MEAN = 0\n"},
    }

    def seen(answer: dict[str, object]) -> None:
        phase = str(answer.get("phase"))
        if answer.get("state") == "running" and phase in work:
            playground.write(work[phase])
        if isinstance(error := answer.get("error"), dict) and error["code"] == "needs_human":
            playground.approve(str(answer["run"]), phase)

    with playground.agent(era) as agent:
        steps = follow(agent.call, arguments={"name": "quick_fix"}, seen=seen, most=20)

    assert steps[-1].answer["run_state"] == "completed"
    assert len(steps) <= 9


def test_the_refusal_of_a_blank_field_says_what_belongs_there_where_nothing_was_seen(bugged: Playground):
    with bugged.agent() as agent:
        run = agent.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        agent.call("start_phase", run=run, phase="reproduce")
        refused = agent.call("submit_artifact", run=run, phase="reproduce", artifact={**PROOF, "actual": ""})

    assert [detail["path"] for detail in refused["error"]["details"]] == ["/actual"]
    field = refused["data"]["output"]["schema"]["properties"]["actual"]
    assert field["description"] == "What happens now; where nothing does, say that: no output"
