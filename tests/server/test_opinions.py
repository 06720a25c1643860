"""Opinions of other models, requested over MCP from a running server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer, RecordedRequest
from tests.server.conftest import HUMAN, Connect, House, call, drill, phase, submitted
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.engine.templates.config_drift import note_own_configuration
from wfe_mcp.workflow.load import digest
from wfe_mcp.workspace.system.location import user_config_file

KEY = "sk-canary-0123456789abcdef"
LONG = {"severity": "low", "title": "ü" * 300, "detail": "ß" * 3_000}


def opinion(verdict: str = "pass", **more: Any) -> Turn:
    return Turn(value={"verdict": verdict, "findings": [], "summary": f"I say {verdict}", **more})


class Models:
    """Two roles, ``first`` and ``second``, and what the models behind them say: by default that they have concerns."""

    def __init__(self, house: House) -> None:
        self.server = ModelServer({"claude": [self._say] * 20, "gpt": [self._say] * 20}, key=KEY)  # pyright: ignore[reportArgumentType] - a turn may be a function
        self.said: list[Turn] = []
        house.environment |= {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY}

    def _say(self, asked: RecordedRequest) -> Turn:
        del asked
        return self.said.pop(0) if self.said else opinion("concerns")


@pytest.fixture
def models(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    made = Models(house)
    with made.server as server:
        file = user_config_file()
        assert file.is_relative_to(tmp_path)
        file.parent.mkdir(parents=True)
        file.write_text(
            f'[providers.anthropic]\nbase_url = "{server.origin}"\n[providers.openai]\nbase_url = "{server.v1}"\n'
            '[roles.first]\nprovider = "anthropic"\nmodel = "claude"\n[roles.second]\nprovider = "openai"\nmodel = "gpt"\n',
            encoding="utf-8",
        )
        yield made


async def test_a_question_waits_for_the_answers_and_brings_them_typed(connect: Connect, models: Models) -> None:
    models.said = [opinion("concerns", confidence=80)]
    async with connect() as agent:
        found = await call(
            agent, "second_opinion", question="Is a mutex enough?", reviewers=["first", "second"], wait_s=45
        )

    assert found["ok"], found
    assert [each["reviewer"] for each in found["data"]["opinions"]] == ["first", "second"]
    assert {each["opinion"]["verdict"] for each in found["data"]["opinions"]} == {"concerns"}
    assert {each["model"] for each in found["data"]["opinions"]} == {"claude", "gpt"}
    assert KEY not in str(found)
    assert models.server.count == 2


async def test_without_waiting_it_says_who_is_asked_and_the_same_call_brings_the_answer(
    connect: Connect, models: Models
) -> None:
    async with connect() as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked", "A careful title")
        first = await call(agent, "second_opinion", run=run, phase="asked", reviewers=["first"], wait_s=0)
        assert first["ok"], first
        assert (first["waiting_on"], first["state"], first["run_state"]) == ("reviewer", "awaiting", "running")
        (move,) = first["next"]
        assert move["args"] == {"run": run, "phase": "asked", "reviewers": ["first"], "wait_s": 45}
        await call(agent, "start_phase", run=run, phase="plan")
        found = await call(agent, move["tool"], **move["args"])
        again = await call(agent, move["tool"], **move["args"])

    assert found["data"] == again["data"]
    assert found["data"]["opinions"][0]["opinion"]["summary"] == "I say concerns"
    assert (found["phase"], found["state"], found["run_state"]) == ("asked", "awaiting", "running")
    assert found["next"][0]["args"]["run"] == run
    assert models.server.count == 1
    assert "A careful title" in str(models.server.asked[0].body)
    assert "Write asked." in str(models.server.asked[0].body)


async def test_an_agent_names_configured_roles_and_neither_programs_nor_models(
    connect: Connect, models: Models
) -> None:
    async with connect() as agent:
        for name in ("claude-code", "openai", "openai/gpt", "frist"):
            no = await call(agent, "second_opinion", question="Why?", reviewers=[name])
            assert no["error"]["code"] == "bad_argument", name
            assert "Known: first, second." in no["error"]["hint"]
        assert "Did you mean 'first'?" in no["error"]["hint"]
        nothing = await call(agent, "second_opinion")
        odd = await call(agent, "second_opinion", phase="plan")

    assert (nothing["error"]["code"], odd["error"]["code"]) == ("bad_argument", "bad_argument")
    assert models.server.count == 0


async def test_a_question_about_a_run_stays_the_same_when_the_run_moves_on(connect: Connect, models: Models) -> None:
    async with connect() as agent:
        run = await drill(agent)
        asked: dict[str, Any] = {"run": run, "question": "Is this the right goal?"}
        first = await call(agent, "second_opinion", **asked, wait_s=45)
        for phase in ("plan", "checked"):
            await submitted(agent, run, phase)
        await call(agent, "control_run", run=run, action="pause")
        again = await call(agent, "second_opinion", **asked, wait_s=45)

    assert first["data"] == again["data"]
    assert models.server.count == 1
    assert again["run_state"] == "paused"


async def test_a_model_that_cannot_be_asked_is_reported_with_what_can_be_done(connect: Connect, models: Models) -> None:
    models.said = [Turn(status=401)]
    async with connect() as agent:
        run = await drill(agent)
        no = await call(agent, "second_opinion", run=run, question="?", reviewers=["first"], wait_s=45)
        same = await call(agent, "second_opinion", run=run, question="?", reviewers=["first"], wait_s=0)

    assert (no["ok"], no["error"]["code"], no["run_state"]) == (False, "unavailable", "running")
    assert "rejected the key" in no["error"]["message"]
    assert "wfe-mcp providers test" in no["error"]["hint"]
    assert [move["tool"] for move in no["next"]] == ["start_phase", "start_phase", "second_opinion"]
    assert same["error"] == no["error"], "who only looks again is told the same, not kept waiting"
    assert models.server.count == 1


async def test_a_missing_reviewer_is_reported_with_what_the_user_can_do(connect: Connect, house: House) -> None:
    del house
    async with connect() as agent:
        no = await call(agent, "second_opinion", question="Why?")

    assert no["error"]["code"] == "unavailable"
    assert "wfe-mcp providers add" in no["error"]["hint"]


async def test_an_answer_stays_within_its_bounds_whatever_models_write(connect: Connect, models: Models) -> None:
    long = opinion("fail", findings=[LONG] * 30, suggestion="ö" * 20_000, summary="é" * 5_000)
    models.said = [long, long]
    async with connect() as agent:
        result = await agent.call_tool(
            "second_opinion", {"question": "?", "reviewers": ["first", "second"], "wait_s": 45}
        )

    found = result.structured_content
    assert found is not None
    for each in found["data"]["opinions"]:
        opinions = each["opinion"]
        assert opinions["verdict"] == "fail"
        assert len(opinions["findings"]) + opinions["more_findings"] == 30
    text = "".join(getattr(part, "text", "") for part in result.content)
    assert len(text.encode()) <= 10_000


REVIEWED: dict[str, Any] = {
    "format": "wfe/1",
    "name": "reviewed",
    "version": "1.0.0",
    "title": "A reviewed note",
    "roles": {"one": {"provider": "first"}},
    "phases": [phase("note", gates=[{"kind": "opinion", "reviewers": ["one"]}])],
}


async def test_an_agent_at_a_gate_whose_reviewer_does_not_answer_is_refused_with_the_command_of_the_user(
    connect: Connect, models: Models, house: House
) -> None:
    file = house.root / ".wfe" / "templates" / "reviewed" / "template.json"
    file.parent.mkdir()
    file.write_text(json.dumps(REVIEWED), encoding="utf-8")
    engine = house.engine()
    with engine.store.tx() as tx:
        tx.trust.give(engine.project_id, trust_key("reviewed"), digest(REVIEWED), HUMAN, utc_now())
        note_own_configuration(engine, tx, HUMAN)
    models.said = [Turn(status=429, retry_after="3600")]
    async with connect() as agent:
        started = await call(agent, "start_run", template="reviewed")
        run = str(started["run"])
        waits = await submitted(agent, run, "note")
        while waits["waiting_on"] == "reviewer" and not waits["data"].get("blockers"):
            waits = await call(agent, "status", run=run, wait_s=1)
        no = await call(agent, "skip_phase", run=run, phase="note", reason="I know better")
    command = f"wfe-mcp opinion overrule {run} note --reason TEXT"
    assert command in waits["data"]["blockers"][0]
    assert (no["error"]["code"], no["state"]) == ("illegal_transition", "gating")
    assert no["error"]["hint"].endswith(f"decide without them: {command}")
