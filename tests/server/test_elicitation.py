"""A form asks for a decision only where the gate allows it, and only a completed form counts."""

import json
from typing import Any

import anyio
import pytest
from mcp.client import ClientRequestContext
from mcp_types import (
    INTERNAL_ERROR,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
    InputResponses,
    TextContent,
)

from tests.server.conftest import DRILL, HUMAN, Connect, House, call, drill, phase, structured, submitted
from wfe_mcp.engine.templates import trust
from wfe_mcp.server import elicitation


class Person:
    """Someone at the client who answers a form; what they were shown is kept."""

    def __init__(self, action: str, **content: Any) -> None:
        self.action = action
        self.content = content
        self.seen: list[ElicitRequestFormParams] = []

    async def __call__(self, context: ClientRequestContext, asked: ElicitRequestParams) -> ElicitResult | ErrorData:
        assert isinstance(asked, ElicitRequestFormParams)
        self.seen.append(asked)
        if self.action == "error":
            return ErrorData(code=INTERNAL_ERROR, message="this client cannot")
        content = {key: value(asked.message) if callable(value) else value for key, value in self.content.items()}
        return ElicitResult.model_validate({"action": self.action, "content": content or None})


def shown(message: str) -> str:
    """The first characters of the sha256 that the message shows."""
    return message.partition("sha256 of what you approve: ")[2][:4]


def too_little(message: str) -> str:
    return shown(message)[:3]


async def test_a_filled_in_form_approves_where_the_gate_takes_a_form(connect: Connect) -> None:
    person = Person("accept", decision="approve", sha256=shown)
    async with connect(elicitation_callback=person) as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        approved = await call(agent, "approve", run=run, phase="asked")

    assert (approved["ok"], approved["phase"], approved["state"]) == (True, "asked", "completed")
    assert len(person.seen) == 1
    assert person.seen[0].requested_schema["required"] == ["decision", "sha256"]


async def test_a_form_can_reject(connect: Connect) -> None:
    person = Person("accept", decision="reject", sha256=shown, comment="too short")
    async with connect(elicitation_callback=person) as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        rejected = await call(agent, "approve", run=run, phase="asked")

    assert rejected["ok"], rejected
    assert rejected["summary"].startswith("asked: rejected")


async def test_a_form_asks_for_the_phrase_of_its_gate(connect: Connect, house: House) -> None:
    gate = {"kind": "approval", "assurance": "client", "phrase": "YES MERGE"}
    merge = {**DRILL, "name": "merge", "phases": [phase("asked", gates=[gate])]}
    folder = house.root / ".wfe" / "templates" / "merge"
    folder.mkdir()
    (folder / "template.json").write_text(json.dumps(merge), encoding="utf-8")
    trust.give_trust(house.engine(), HUMAN, [])
    person = Person("accept", decision="approve", sha256=shown, phrase="yes merge")
    async with connect(elicitation_callback=person) as agent:
        run = (await call(agent, "start_run", template="merge", inputs={"goal": "x"}))["run"]
        await submitted(agent, run, "asked")
        wrong = await call(agent, "approve", run=run, phase="asked")
        person.content["phrase"] = "YES MERGE"
        right = await call(agent, "approve", run=run, phase="asked")

    assert (wrong["error"]["code"], wrong["state"]) == ("bad_argument", "awaiting")
    assert right["state"] == "completed", right
    assert person.seen[0].requested_schema["required"] == ["decision", "sha256"], "a rejection needs none"
    assert "YES MERGE" in str(person.seen[0].requested_schema["properties"]["phrase"])


NO_DECISIONS: list[tuple[str, dict[str, Any]]] = [
    ("decline", {}),
    ("cancel", {}),
    ("accept", {}),
    ("accept", {"decision": "approve"}),
    ("accept", {"decision": "approve", "sha256": "beef"}),
    ("accept", {"decision": "approve", "sha256": too_little}),
    ("accept", {"sha256": shown}),
    ("accept", {"decision": ["approve"], "sha256": shown}),
    ("accept", {"decision": "approve", "sha256": ["beef"]}),
]


async def test_everything_else_decides_nothing(connect: Connect) -> None:
    person = Person("decline")
    async with connect(elicitation_callback=person) as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        for person.action, person.content in NO_DECISIONS:
            answer = await call(agent, "approve", run=run, phase="asked")
            assert (answer["error"]["code"], answer["state"]) == ("needs_human", "awaiting"), person.content
            was_filled_in = "the form was not filled in as it asks" in answer["summary"]
            assert was_filled_in == bool(person.content), person.content

    assert len(person.seen) == len(NO_DECISIONS)


@pytest.mark.parametrize("decision", ["approve", "reject"])
@pytest.mark.parametrize(("comment", "code"), [("no\0", "bad_argument"), ("x" * 50_001, "too_large")])
async def test_a_comment_that_cannot_be_kept_decides_nothing(
    connect: Connect, decision: str, comment: str, code: str
) -> None:
    person = Person("accept", decision=decision, sha256=shown, comment=comment)
    async with connect(elicitation_callback=person) as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        answer = await call(agent, "approve", run=run, phase="asked")
        assert (answer["error"]["code"], answer["state"]) == (code, "awaiting")


async def test_a_client_that_fails_leaves_the_stored_request(house: House) -> None:
    async with house.client("legacy", elicitation_callback=Person("error")) as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        answer = await call(agent, "approve", run=run, phase="asked")

    assert answer["error"]["code"] == "needs_human"
    assert answer["data"]["request"]


async def test_a_form_no_one_fills_in_ends_before_the_client_gives_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elicitation, "FORM_WAIT_S", 0.01)

    async def no_one(context: ClientRequestContext, asked: ElicitRequestParams) -> ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    async with house.client("legacy", elicitation_callback=no_one) as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        answer = await call(agent, "approve", run=run, phase="asked")

    assert answer["error"]["code"] == "needs_human"


async def test_a_client_without_forms_gets_the_command(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        result = await agent.call_tool("approve", {"run": run, "phase": "asked"})

    answer, text = structured(result), result.content[0]
    assert isinstance(text, TextContent)
    assert answer["error"]["code"] == "needs_human"
    assert f"wfe-mcp approve {run} asked" in answer["error"]["hint"]
    assert f"wfe-mcp approve {run} asked" in text.text


async def test_a_gate_for_a_human_never_shows_a_form(connect: Connect) -> None:
    person = Person("accept", decision="approve", sha256=shown)
    async with connect(elicitation_callback=person) as agent:
        run = await drill(agent)
        await submitted(agent, run, "signed")
        answer = await call(agent, "approve", run=run, phase="signed")

    assert answer["error"]["code"] == "needs_human"
    assert f"in run {run} of project: " in answer["data"]["question"]
    assert person.seen == []


async def test_an_answer_to_a_revision_that_was_withdrawn_is_stale(house: House, era: str) -> None:
    async with house.client(era) as other:

        async def withdraw(message: str) -> None:
            await call(other, "reject", run=run, phase="asked", feedback="wait")

        class Slow(Person):
            async def __call__(
                self, context: ClientRequestContext, asked: ElicitRequestParams
            ) -> ElicitResult | ErrorData:
                await withdraw("")
                return await super().__call__(context, asked)

        async with house.client(era, elicitation_callback=Slow("accept", decision="approve", sha256=shown)) as agent:
            run = await drill(agent)
            await submitted(agent, run, "asked")
            answer = await call(agent, "approve", run=run, phase="asked")

    assert answer["error"]["code"] == "stale_revision"


async def test_an_answer_to_a_request_that_no_one_stored_is_stale(house: House) -> None:
    async with house.client("auto") as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        content: dict[str, Any] = {"decision": "approve", "sha256": "0000"}
        answer: InputResponses = {"wfe-approval:forged": ElicitResult(action="accept", content=content)}
        result = await agent.session.call_tool("approve", {"run": run, "phase": "asked"}, input_responses=answer)

    assert structured(result)["error"]["code"] == "stale_revision"


async def test_an_answer_counts_on_another_server_and_only_once(house: House) -> None:
    person = Person("cancel")
    asking = {"run": "", "phase": "asked"}
    async with house.client("auto", elicitation_callback=person) as agent:
        asking["run"] = run = await drill(agent)
        await submitted(agent, run, "asked")
        question = await agent.session.call_tool("approve", asking, allow_input_required=True)
    assert isinstance(question, InputRequiredResult)
    (key,) = question.input_requests or {}
    asked = (question.input_requests or {})[key].params
    assert isinstance(asked, ElicitRequestFormParams)
    answer: InputResponses = {
        key: ElicitResult(action="accept", content={"decision": "approve", "sha256": shown(asked.message)})
    }

    async with house.client("auto", elicitation_callback=person) as agent:
        approved = await agent.session.call_tool("approve", asking, input_responses=answer)
        again = await agent.session.call_tool("approve", asking, input_responses=answer)

    assert (structured(approved)["ok"], structured(approved)["state"]) == (True, "completed")
    assert structured(again)["error"]["code"] == "stale_revision"
