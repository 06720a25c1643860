"""Caps and limits hold for real calls to models: at a gate, in a tool loop, for the provider they go to."""

from typing import Any

import pytest

from tests.engine.call_scene import calls, resume, usage
from tests.engine.model_scene import ROLES, configure, gate, opinion, server
from tests.engine.scene import AGENT, GOOD, Scene, phase
from tests.fake_models.script import Call, Turn
from wfe_mcp.core.model import RunId, RunStatus
from wfe_mcp.engine.phases import claim as phases
from wfe_mcp.store.records.calls import CallStatus
from wfe_mcp.store.records.jobs import provider_key
from wfe_mcp.views.answers import tool_answers as answers

pytestmark = pytest.mark.usefixtures("home")

LOOKS = Turn(calls=(Call("read", {"path": "app.py"}),))


def model_phase(**keys: Any) -> dict[str, Any]:
    return phase("plan", **{"kind": "llm", "role": "one", "tools_allowed": ["read"], **keys})


def test_a_cap_pauses_before_an_opinion_is_asked_for_and_the_gate_continues_with_more(scene: Scene) -> None:
    with server([opinion()]) as models:
        configure(scene, models, extra="[budget]\ntokens_per_run = 10")
        run = scene.start(phase("plan", gate()), roles=ROLES)
        phases.start_phase(scene.engine, AGENT, run, "plan")
        answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
        scene.work()
        state = scene.state(run)
        assert (state.status, models.asked) == (RunStatus.PAUSED, [])
        assert "tokens_per_run" in state.reason and calls(scene, run) == []
        assert scene.attempt(run, "plan").status == "gating"

        resume(scene, run, max_tokens=1_000_000)
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert [call.status for call in calls(scene, run)] == [CallStatus.DONE]


def test_a_cap_pauses_in_the_middle_of_a_tool_loop_and_the_phase_starts_over_with_more(scene: Scene) -> None:
    with server([LOOKS, LOOKS, LOOKS, Turn(value=GOOD)]) as models:
        # A call reserves its prompt and the longest answer, 8,192 tokens: one fits, and a second when the first was short.
        configure(scene, models, extra="[budget]\ntokens_per_run = 9_500")
        run = scene.start(model_phase(), roles=ROLES)
        with scene.store.read() as tx:
            (work,) = tx.jobs.filter(RunId(run))
        scene.work()
        assert scene.state(run).status is RunStatus.PAUSED
        assert scene.attempt(run, "plan").status == "running", "nobody failed"
        asked = len(models.asked)
        assert asked == len(calls(scene, run)) > 0
        with scene.store.read() as tx:
            ended = tx.jobs.get(work.id)
        assert ended is not None and "tokens_per_run" in (ended.result or {})["suspended"]

        resume(scene, run, max_tokens=10_000_000)
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert len(models.asked) == len(calls(scene, run)) > asked
    assert usage(scene, run).in_flight == usage(scene, run).lost == 0


def test_the_work_of_a_model_keeps_to_the_limits_of_its_provider(scene: Scene) -> None:
    with server() as models:
        configure(scene, models)
        run = scene.start(model_phase(), roles=ROLES)
        with scene.store.read() as tx:
            (work,) = tx.jobs.filter(RunId(run))
    assert (work.queue.partition(":")[0], work.limit_key) == ("llm", provider_key("anthropic"))
