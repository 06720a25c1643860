"""An agent goes back through the tool, in both eras of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.conftest import Connect, House, call

if TYPE_CHECKING:
    from typing import Any

GOOD = {"title": "A good title"}


@pytest.mark.requirement("S1-22")
async def test_an_agent_takes_its_own_work_back_with_the_files(connect: Connect, house: House) -> None:
    async with connect() as agent:
        run = (await call(agent, "start_run", template="drill", inputs={"goal": "x"}))["run"]
        await call(agent, "start_phase", run=run, phase="plan")
        (house.root / "made.txt").write_text("made\n")
        await call(agent, "submit_artifact", run=run, phase="plan", artifact=GOOD)
        found: dict[str, Any] = await call(agent, "rollback", run=run, to="plan")
        assert (found["ok"], found["data"]["files"]["paths"]) == (True, ["made.txt"])
        assert found["next"][0]["tool"] == "start_phase"
        assert not (house.root / "made.txt").exists()
        late = await call(agent, "submit_artifact", run=run, phase="plan", attempt=1, artifact={"title": "Too late"})
        assert late["error"]["code"] == "stale_revision"
        begun = await call(agent, "start_phase", run=run, phase="plan")
        assert begun["data"]["attempt"] == 2
        back = await call(agent, "rollback", run=run, to=found["data"]["files"]["before"], files=False)
        assert back["ok"], back
        assert not (house.root / "made.txt").exists()


async def test_an_agent_records_a_moment_and_comes_back_to_it(connect: Connect, house: House) -> None:
    async with connect() as agent:
        run = (await call(agent, "start_run", template="drill", inputs={"goal": "x"}))["run"]
        await call(agent, "start_phase", run=run, phase="plan")
        (house.root / "made.txt").write_text("made\n")
        taken = await call(agent, "control_run", run=run, action="checkpoint", reason="half way")
        name = taken["data"]["checkpoint"]["checkpoint"]
        assert taken["summary"] == f"{name}: state and files"
        seen = (await call(agent, "status", run=run, detail="full"))["data"]["checkpoints"]
        assert (seen["count"], seen["newest"][0]) == (2, f"{name} (manual: half way)")
        (house.root / "made.txt").write_text("wrecked\n")
        no = await call(agent, "rollback", run=run, to=name)
        assert no["error"]["code"] == "conflict"
        assert no["data"]["paths"] == ["made.txt"]
        await call(agent, "control_run", run=run, action="checkpoint")
        assert (answer := await call(agent, "rollback", run=run, to=name))["ok"], answer
        assert (house.root / "made.txt").read_text() == "made\n"


async def test_a_place_that_is_not_there_is_answered_with_the_call_that_lists_them(connect: Connect) -> None:
    async with connect() as agent:
        run = (await call(agent, "start_run", template="drill", inputs={"goal": "x"}))["run"]
        await call(agent, "control_run", run=run, action="checkpoint")
        hints = [
            (await call(agent, "rollback", run=run, to=to))["error"]["hint"] for to in ("cp-999", "nowhere", "cp-1")
        ]

    assert hints == [hint for hint in hints if f"status(run='{run}', detail='full')" in hint]


async def test_a_run_that_was_cancelled_says_in_plain_words_what_it_does_not_take(connect: Connect) -> None:
    async with connect() as agent:
        run = (await call(agent, "start_run", template="drill", inputs={"goal": "x"}))["run"]
        name = (await call(agent, "control_run", run=run, action="checkpoint"))["data"]["checkpoint"]["checkpoint"]
        await call(agent, "control_run", run=run, action="cancel")
        again = await call(agent, "control_run", run=run, action="checkpoint")
        back = await call(agent, "rollback", run=run, to=name)
    assert again["error"]["message"] == "You cannot take a checkpoint: the run is cancelled."
    assert back["error"]["message"] == "You cannot roll back: the run is cancelled."


@pytest.mark.attack("an agent rolls back over a decision through the tool", "held")
async def test_a_decision_of_a_person_is_not_withdrawn_by_an_agent(connect: Connect, house: House) -> None:
    from tests.server.conftest import HUMAN
    from wfe_mcp.engine.approvals import decide as approvals

    async with connect() as agent:
        run = (await call(agent, "start_run", template="drill", inputs={"goal": "x"}))["run"]
        await call(agent, "start_phase", run=run, phase="signed")
        await call(agent, "submit_artifact", run=run, phase="signed", artifact=GOOD)
        await call(agent, "approve", run=run, phase="signed")
        engine = house.engine()
        approvals.decide(engine, HUMAN, run, "signed")
        engine.close()
        no = await call(agent, "rollback", run=run, to="signed")
        assert no["error"]["code"] == "needs_human"
        assert no["data"]["command"] == f"wfe-mcp rollback {run} signed"
