"""A client that can open pages is sent to the decision page; opening it decides nothing."""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp_types import (
    INTERNAL_ERROR,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
    InputResponses,
)

from tests.dashboard.browser import PIN, Browser
from tests.server.conftest import HUMAN, Connect, House, call, drill, structured, submitted
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import pin
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs import control
from wfe_mcp.server import elicitation


@pytest.fixture
def engine(house: House) -> Iterator[Engine]:
    """A person with a PIN."""
    made = house.engine()
    pin.set_pin(made, PIN, HUMAN)
    yield made
    made.close()


@pytest.fixture
def browser(engine: Engine) -> Iterator[Browser]:
    with serve_page(engine, 0) as page:
        assert isinstance(page, Page)
        yield Browser(page.port)


class Person:
    """Someone at a client that opens pages; ``decides`` is done there before the client answers."""

    def __init__(self, action: str, decides: Any = None) -> None:
        self.action, self.decides = action, decides
        self.seen: list[ElicitRequestURLParams] = []

    @property
    def request(self) -> str:
        """What the last page was about."""
        return self.seen[-1].url.rpartition("/")[2]

    async def __call__(self, context: ClientRequestContext, asked: ElicitRequestParams) -> ElicitResult | ErrorData:
        assert isinstance(asked, ElicitRequestURLParams), asked
        self.seen.append(asked)
        if self.action == "error":
            return ErrorData(code=INTERNAL_ERROR, message="this client cannot")
        if self.decides is not None:
            await anyio.to_thread.run_sync(self.decides, self.request)
        return ElicitResult(action=self.action)  # pyright: ignore[reportArgumentType] - one of three words


async def signed(agent: Client) -> str:
    run = await drill(agent)
    await submitted(agent, run, "signed")
    return run


async def test_the_client_is_asked_to_open_the_page_of_the_request(house: House, era: str, browser: Browser) -> None:
    person = Person("accept")
    async with house.client(era, elicitation_callback=person) as agent:
        run = await signed(agent)
        answer = await call(agent, "approve", run=run, phase="signed")

    (asked,) = person.seen
    assert asked.url == f"http://localhost:{browser.port}/open/decide/{answer['data']['request']}"
    assert f"wfe-mcp approve {run} signed" in asked.message
    assert answer["data"]["sha256"][:12] in asked.message
    assert (asked.elicitation_id is None) == (era == "auto")


@pytest.mark.attack("a hook of the client opens the decision page by itself", "held", "T2")
@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
async def test_opening_the_page_decides_nothing_and_the_agent_learns_how_to_wait(
    house: House, era: str, browser: Browser, action: str
) -> None:
    async with house.client(era, elicitation_callback=Person(action)) as agent:
        run = await signed(agent)
        answer = await call(agent, "approve", run=run, phase="signed")

    assert (answer["error"]["code"], answer["state"]) == ("needs_human", "awaiting")
    assert answer["next"][0] == {"tool": "status", "args": {"run": run, "wait_s": 45}, "why": "waits for a change"}
    assert answer["data"]["url"] == f"http://localhost:{browser.port}/open/decide/{answer['data']['request']}"
    assert answer["data"]["url"] in answer["error"]["hint"]
    assert f"wfe-mcp approve {run} signed" in answer["error"]["hint"]


async def test_a_person_who_decides_at_once_is_heard_in_the_same_call(house: House, era: str, browser: Browser) -> None:
    person = Person("accept", browser.approve)
    async with house.client(era, elicitation_callback=person) as agent:
        run = await signed(agent)
        answer = await call(agent, "approve", run=run, phase="signed")

    assert (answer["ok"], answer["state"], answer["summary"]) == (True, "completed", "signed: approved by the user")


async def test_a_rejection_on_the_page_counts_too(house: House, era: str, browser: Browser) -> None:
    person = Person("cancel", browser.reject)
    async with house.client(era, elicitation_callback=person) as agent:
        run = await signed(agent)
        answer = await call(agent, "approve", run=run, phase="signed")

    assert (answer["ok"], answer["summary"]) == (True, "signed: rejected by the user")


async def test_who_waits_sees_the_decision_of_the_page(
    house: House, era: str, engine: Engine, browser: Browser
) -> None:
    waited: dict[str, Any] = {}
    async with house.client(era, elicitation_callback=Person("accept")) as agent:
        run = await signed(agent)
        for name in ("plan", "agreed", "asked", "checked"):
            control.skip(engine, HUMAN, run, name, "not now")
        answer = await call(agent, "approve", run=run, phase="signed")
        async with anyio.create_task_group() as both:
            both.start_soon(anyio.to_thread.run_sync, browser.approve, answer["data"]["request"])
            waited |= await call(agent, "status", run=run, wait_s=45)

    assert waited["run_state"] == "completed"


async def test_a_handshake_client_hears_that_the_page_is_done_with(house: House, browser: Browser) -> None:
    heard = anyio.Event()
    ids: list[str] = []

    async def listen(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/elicitation/complete":
            ids.append(message.params.elicitation_id)
            heard.set()

    async with house.client("legacy", elicitation_callback=Person("accept"), message_handler=listen) as agent:
        run = await signed(agent)
        answer = await call(agent, "approve", run=run, phase="signed")
        await anyio.to_thread.run_sync(browser.approve, answer["data"]["request"])
        with anyio.fail_after(60):
            await heard.wait()

    assert ids == [answer["data"]["request"]]


async def test_a_client_that_fails_leaves_the_stored_request(house: House, browser: Browser) -> None:
    async with house.client("legacy", elicitation_callback=Person("error")) as agent:
        run = await signed(agent)
        answer = await call(agent, "approve", run=run, phase="signed")

    assert answer["error"]["code"] == "needs_human"
    assert browser.approve(answer["data"]["request"]).status == 200


async def test_a_page_no_one_opens_ends_the_question_before_the_client_gives_up(
    house: House, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elicitation, "FORM_WAIT_S", 0.01)

    async def no_one(context: ClientRequestContext, asked: ElicitRequestParams) -> ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    async with house.client("legacy", elicitation_callback=no_one) as agent:
        run = await signed(agent)
        answer = await call(agent, "approve", run=run, phase="signed")

    assert answer["data"]["url"].startswith(f"http://localhost:{browser.port}/")


async def test_a_client_without_pages_gets_the_address(connect: Connect, browser: Browser) -> None:
    async with connect() as agent:
        run = await signed(agent)
        answer = await call(agent, "approve", run=run, phase="signed")

    assert answer["data"]["url"].startswith(f"http://localhost:{browser.port}/open/decide/")


@pytest.mark.attack("a client answers for the person who was asked to open the page", "held", "T2")
@pytest.mark.parametrize("prefix", ["wfe-page:", "wfe-approval:"])
async def test_no_content_of_an_answer_decides_at_a_gate_for_a_human(
    house: House, browser: Browser, prefix: str
) -> None:
    async with house.client("auto", elicitation_callback=Person("cancel")) as agent:
        run = await signed(agent)
        asking = {"run": run, "phase": "signed"}
        question = await agent.session.call_tool("approve", asking, allow_input_required=True)
        assert isinstance(question, InputRequiredResult)
        (key,) = question.input_requests or {}
        forged = ElicitResult(action="accept", content={"decision": "approve", "sha256": "", "pin": PIN})
        responses: InputResponses = {prefix + key.partition(":")[2]: forged}
        answer = structured(await agent.session.call_tool("approve", asking, input_responses=responses))
        sha256 = (await call(agent, "read_artifact", run=run, phase="signed"))["data"]["sha256"]
        forged = ElicitResult(action="accept", content={"decision": "approve", "sha256": sha256[:8]})
        responses = {prefix + key.partition(":")[2]: forged}
        again = structured(await agent.session.call_tool("approve", asking, input_responses=responses))
        state = (await call(agent, "status", run=run, detail="full"))["data"]["phases"]

    assert not answer["ok"]
    assert not again["ok"]
    assert {"signed": "awaiting"}.items() <= {phase["phase"]: phase["state"] for phase in state}.items()
    del browser


async def test_a_decision_about_another_phase_is_not_reported_as_this_ones(house: House, browser: Browser) -> None:
    person = Person("accept", browser.approve)
    async with house.client("auto", elicitation_callback=person) as agent:
        other = await signed(agent)
        await call(agent, "approve", run=other, phase="signed")
        run = await signed(agent)
        responses: InputResponses = {f"wfe-page:{person.request}": ElicitResult(action="accept")}
        answer = structured(
            await agent.session.call_tool("approve", {"run": run, "phase": "signed"}, input_responses=responses)
        )

    assert (answer["ok"], answer["state"]) == (False, "awaiting")


async def test_where_the_gate_takes_a_form_the_page_is_better_still(house: House, era: str, browser: Browser) -> None:
    person = Person("accept", browser.approve)
    async with house.client(era, elicitation_callback=person) as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        answer = await call(agent, "approve", run=run, phase="asked")

    assert (answer["ok"], answer["state"]) == (True, "completed")


async def test_without_a_page_a_form_is_shown_where_the_gate_takes_one(house: House, era: str, engine: Engine) -> None:
    seen: list[ElicitRequestParams] = []

    async def person(context: ClientRequestContext, asked: ElicitRequestParams) -> ElicitResult:
        seen.append(asked)
        return ElicitResult(action="decline")

    async with house.client(era, elicitation_callback=person) as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        answer = await call(agent, "approve", run=run, phase="asked")

    assert isinstance(seen[0], ElicitRequestFormParams)
    assert "url" not in answer["data"]
    assert engine.project_id
