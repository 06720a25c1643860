"""No call exceeds a budget: the run is paused before the call, and a person resumes it."""

import sys
import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.engine.call_scene import DOLLAR, MODEL, UNPRICED, budget, calls, dollars, job, listener, resume, usage
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, command, phase, refused
from tests.examples import examples
from wfe_mcp.core.model import Assurance, By, Channel, RunStatus
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.engine.models.budgets import OverBudget, pause_over_budget
from wfe_mcp.engine.runs.control import control
from wfe_mcp.providers.call import Connection, Estimate
from wfe_mcp.store.records.calls import CallPurpose, CallStatus, NewCall, Used
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.config.settings import LoadedSettings, load_settings


def spend(scene: Scene, run: str, amount: float, connection: Connection = MODEL, estimate: Estimate = DOLLAR) -> None:
    heard = listener(scene, job(scene, run))
    heard.before_call(connection, estimate)
    heard.after_call(connection, dollars(amount), None)


def over(scene: Scene, run: str, connection: Connection = MODEL, estimate: Estimate = DOLLAR) -> str:
    """Why the next call is not made."""
    with pytest.raises(OverBudget) as caught:
        listener(scene, job(scene, run)).before_call(connection, estimate)
    return str(caught.value)


def test_a_run_is_paused_before_the_call_that_would_overspend(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 2.5})
    spend(scene, run, 0.9)
    spend(scene, run, 0.9)
    reason = over(scene, run)
    state = scene.state(run)
    assert (state.status, state.paused_by_human, state.reason) == (RunStatus.PAUSED, True, reason)
    assert reason == (
        "The next call of openai gpt-4o may use up to $1.00, $1.80 of $2.50 (limits.max_cost) are spent. "
        f"Raise it and continue: wfe-mcp resume {run} --max-cost N"
    )
    assert len(calls(scene, run)) == 2, "the call was not made"
    assert scene.events(run)[-1] == "RunPaused"


def test_an_agent_does_not_continue_over_a_budget_and_a_person_does(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 0.5})
    over(scene, run)
    no = refused(control, scene.engine, AGENT, run, "resume")
    assert no.code == "needs_human" and "limits.max_cost" in no.message
    found = scene.status(run)
    assert found.waiting_on == "human" and found.next == ()
    assert any("wfe-mcp resume" in text for text in found.data["blockers"])

    resume(scene, run, max_cost_usd=1.5)
    spend(scene, run, 1.0)
    assert scene.state(run).status is RunStatus.RUNNING
    assert "max_cost of this run" in over(scene, run)


def test_resuming_without_more_pauses_before_the_next_call_again(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 0.5})
    over(scene, run)
    resume(scene, run)
    over(scene, run)
    assert scene.state(run).status is RunStatus.PAUSED and calls(scene) == []


def test_the_smaller_cap_of_template_and_configuration_counts(scene: Scene) -> None:
    budget(scene, cost_per_run=1.5)
    run = scene.start(phase("plan"), limits={"max_cost": 9})
    spend(scene, run, 1.0)
    assert "(cost_per_run)" in over(scene, run)


@pytest.mark.parametrize("raised", ["max_cost_usd", "max_tokens"])
def test_a_raise_must_be_more_than_nothing(scene: Scene, raised: str) -> None:
    run = scene.start(phase("plan"))
    control(scene.engine, HUMAN, run, "pause")
    assert refused(resume, scene, run, **{raised: 0}).code == "bad_argument"


def test_a_gate_whose_job_was_suspended_is_judged_after_the_run_continues(scene: Scene) -> None:
    scene.check("test", "pass")
    run = scene.start(phase("plan", command("test")))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    with scene.store.tx() as tx:
        gate = tx.jobs.claim("a", [queue_name("command", scene.engine.project_id)], 30, scene.clock())
        assert gate is not None and tx.jobs.finish(gate.id, gate.fence, {"suspended": "over the budget"})
        pause_over_budget(scene.engine, tx, run, "over the budget")
    assert scene.work() == 0 and scene.attempt(run, "plan").status == "gating"
    resume(scene, run)
    scene.work()
    assert scene.attempt(run, "plan").status == "completed"


def test_tokens_are_capped_where_no_price_is_known(scene: Scene) -> None:
    budget(scene, tokens_per_run=1_000, cost_per_run=0.01)
    run = scene.start(phase("plan"))
    heard = listener(scene, job(scene, run))
    heard.before_call(UNPRICED, Estimate(400, 400))
    assert "800 tokens of 1,000 tokens (tokens_per_run) are spent" in over(scene, run, UNPRICED, Estimate(100, 101))
    resume(scene, run, max_tokens=2_000)
    listener(scene, job(scene, run)).before_call(UNPRICED, Estimate(100, 101))


def test_a_day_is_capped_over_all_runs_and_restarts(scene: Scene) -> None:
    budget(scene, cost_per_day=2)
    one, other = scene.start(phase("plan")), scene.start(phase("plan"), name="second")
    spend(scene, one, 1.5)
    reason = over(scene, other)
    assert "(cost_per_day)" in reason and ".wfe" in reason and scene.state(other).status is RunStatus.PAUSED
    assert scene.state(one).status is RunStatus.RUNNING
    scene.clock.advance(hours=12)
    resume(scene, other)
    spend(scene, other, 1.0)


def test_the_tokens_of_a_day_are_capped_too(scene: Scene) -> None:
    budget(scene, tokens_per_day=1_000)
    run = scene.start(phase("plan"))
    spend(scene, run, 0.0, UNPRICED, Estimate(500, 400))
    assert "(tokens_per_day)" in over(scene, run, UNPRICED, Estimate(500, 400))


def test_a_project_cap_of_a_day_leaves_other_projects_out_and_a_users_does_not(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget(scene, cost_per_day=2)
    with scene.store.tx() as tx:
        other = tx.projects.id_of("/other/.git", "/other")
        tx.model_calls.end(
            tx.model_calls.begin(NewCall(other, CallPurpose.TEST, "openai", "m")), Used(1, 1, 1, cost_usd=5.0)
        )
    run = scene.start(phase("plan"))
    spend(scene, run, 0.5)

    def users(engine: Engine, _tx: object = None) -> LoadedSettings:
        user_file = engine.root / "user.toml"
        user_file.write_text("[budget]\ncost_per_day = 2\n", encoding="utf-8")
        return load_settings(engine.root / "nothing", lambda _path, _sha256: False, {}, user_file)

    monkeypatch.setattr(Engine, "settings", users)
    assert "$5.50 of $2.00 (cost_per_day)" in over(scene, run)


def test_a_call_outside_a_run_is_refused_over_the_day(scene: Scene) -> None:
    budget(scene, cost_per_day=0.5)
    with pytest.raises(OverBudget) as caught:
        listener(scene, None, purpose="opinion").before_call(MODEL, DOLLAR)
    assert caught.value.as_refused().code == "needs_human" and calls(scene) == []


def test_a_call_that_was_lost_counts_what_it_may_have_used(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 1.5})
    context = job(scene, run)
    listener(scene, context).before_call(MODEL, DOLLAR)
    with scene.store.tx() as tx:
        tx.jobs.fail(context.job.id, context.job.fence, "its process is gone", None)
    assert [call.status for call in calls(scene, run)] == [CallStatus.LOST]
    assert "$1.00 of $1.50" in over(scene, run)


def test_a_call_without_an_estimate_is_not_made_once_nothing_is_left(scene: Scene) -> None:
    budget(scene, tokens_per_run=110)
    run = scene.start(phase("plan"))
    spend(scene, run, 0.0, UNPRICED, Estimate(0, 0))
    assert "tokens_per_run" in over(scene, run, UNPRICED, Estimate(0, 0))


def test_a_run_that_someone_paused_stays_theirs(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 0.5})
    control(scene.engine, HUMAN, run, "pause", reason="lunch")
    over(scene, run)
    assert scene.state(run).reason == "lunch"


def test_of_two_calls_side_by_side_that_together_overspend_one_is_made(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 1.5})
    contexts = [job(scene, run) for _ in range(6)]
    together, refusals = threading.Barrier(len(contexts), timeout=120), list[str]()

    def call(number: int) -> None:
        heard = listener(scene, contexts[number])
        together.wait()
        try:
            heard.before_call(MODEL, DOLLAR)
        except OverBudget as no:
            refusals.append(str(no))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(contexts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert (len(calls(scene, run)), len(refusals)) == (1, 5)
    assert usage(scene, run).spent_usd == pytest.approx(1.0)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 100_000), st.integers(0, 100)), min_size=1, max_size=12))
def test_whatever_is_asked_for_a_cap_is_never_passed(scene: Scene, asked: list[tuple[int, int]]) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 1.0})
    for most, percent in asked:
        heard = listener(scene, job(scene, run))
        try:
            heard.before_call(MODEL, Estimate(0, most))
        except OverBudget:
            resume(scene, run)
            continue
        assert usage(scene, run).spent_usd <= 1.0 + 1e-9
        heard.after_call(MODEL, dollars(most / 100_000 * percent / 100), None)
    assert usage(scene, run).spent_usd <= 1.0 + 1e-9


@pytest.fixture
def of_server(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the configuration of the user who runs the server."""

    def write(text: str) -> None:
        file = scene.engine.root.parent / "own" / "wfe-mcp" / "config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    monkeypatch.setenv("XDG_CONFIG_HOME", str(scene.engine.root.parent / "own"))
    return write


def start_by(scene: Scene, token: str, name: str) -> str:
    """A run that an agent with this token starts."""
    template = scene.define(phase("plan"), name=name)["name"]
    found = answers.start_run(scene.engine, By(token, Channel.HTTP, Assurance.AGENT), template, {})
    assert found.run is not None
    return found.run


@pytest.mark.skipif(sys.platform != "linux", reason="the user's configuration is elsewhere")
def test_a_month_of_the_team_is_capped_and_frees_with_the_next_one(
    scene: Scene, of_server: Callable[[str], None]
) -> None:
    of_server("[server.limits.team]\ncost_per_month = 2\n")
    run = scene.start(phase("plan"))
    spend(scene, run, 1.5)
    scene.clock.advance(hours=24)
    assert "$1.50 of $2.00 (the team cost_per_month)" in over(scene, run)
    assert "waits for the first of next month (UTC)" in str(scene.state(run).reason)
    scene.clock.advance(hours=24 * 31)
    resume(scene, run)
    spend(scene, run, 1.0)


@pytest.mark.skipif(sys.platform != "linux", reason="the user's configuration is elsewhere")
@pytest.mark.parametrize("whose", ["token", "person"])
def test_the_cost_of_a_token_and_of_its_owner_is_capped_in_a_day(
    scene: Scene, of_server: Callable[[str], None], whose: str
) -> None:
    of_server(f"[server.limits.{whose}]\ncost_per_day = 2\n")
    for token, owner in (("bot", "ada"), ("other", "ada"), ("third", "grace")):
        create_token(scene.engine, By(owner, Channel.CLI, Assurance.HUMAN), token, "work")
    spend(scene, start_by(scene, "bot", "first"), 1.5)
    spend(scene, start_by(scene, "third", "fourth"), 1.5)
    second = start_by(scene, "other", "second")
    if whose == "token":
        spend(scene, second, 1.0)
        assert "(token 'bot' cost_per_day)" in over(scene, start_by(scene, "bot", "third"))
    else:
        assert "$1.50 of $2.00 (person 'ada' cost_per_day)" in over(scene, second)
    spend(scene, scene.start(phase("plan"), name="agents"), 1.9)
