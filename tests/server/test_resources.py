"""Resources for runs, artifacts, templates and schemas, and completion of their names."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from mcp import Client, MCPError
from mcp_types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

from tests.server.conftest import Connect, call, drill, submitted

ADDRESSES = {
    "wfe://runs/{run}",
    "wfe://runs/{run}/context",
    "wfe://runs/{run}/artifacts/{phase}/{artifact}",
    "wfe://templates/{name}",
    "wfe://schemas/{name}",
}


async def read(agent: Client, uri: str) -> Any:
    found = (await agent.read_resource(uri)).contents[0]
    assert isinstance(found, TextResourceContents)
    return json.loads(found.text)


async def completed(
    agent: Client,
    ref: PromptReference | ResourceTemplateReference,
    *,
    given: dict[str, str] | None = None,
    **argument: str,
) -> list[str]:
    ((name, value),) = argument.items()
    return (await agent.complete(ref, {"name": name, "value": value}, given)).completion.values


async def test_the_addresses_are_those_of_the_design(connect: Connect) -> None:
    async with connect() as agent:
        found = (await agent.list_resource_templates()).resource_templates

    assert {each.uri_template for each in found} == ADDRESSES


async def test_everything_that_has_an_address_can_be_read(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        await submitted(agent, run, "plan", "x" * 9_000)
        status = await read(agent, f"wfe://runs/{run}")
        artifact = await read(agent, f"wfe://runs/{run}/artifacts/plan/plan_note")
        template = await read(agent, "wfe://templates/drill")
        schema = await read(agent, f"wfe://schemas/{quote('plan@1')}")
        project = await read(agent, "wfe://project")

    assert isinstance(status, dict)
    assert isinstance(template, dict)
    assert isinstance(schema, dict)
    assert status["run"] == run
    assert [each["name"] for each in project["checks"] if each["configured"]] == ["ok"]
    assert artifact == {"title": "x" * 9_000}
    assert template["name"] == "drill"
    assert "steps" in schema["properties"]


async def test_an_address_of_nothing_is_not_found(connect: Connect) -> None:
    nothing = ("runs/none", "templates/none", "schemas/plan", "runs/none/artifacts/a/b", "x")
    async with connect() as agent:
        for path in nothing:
            with pytest.raises(MCPError) as caught:
                await agent.read_resource(f"wfe://{path}")
            assert caught.value.code == -32602


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("wfe://run/r1", "Did you mean 'wfe://runs/{run}'?"),
        ("wfe://projects", "Did you mean 'wfe://project'?"),
        ("file:///notes.txt", "There are: wfe://project, wfe://runs/{run}, wfe://runs/{run}/context, "),
    ],
)
async def test_an_unknown_kind_of_address_is_answered_with_those_there_are(
    connect: Connect, address: str, hint: str
) -> None:
    async with connect() as agent:
        with pytest.raises(MCPError) as caught:
            await agent.read_resource(address)
    assert caught.value.code == -32602
    assert caught.value.message.startswith(f"There is no resource '{address}'. {hint}")
    assert caught.value.message.endswith(" [bad_argument]")


async def test_the_address_of_templates_without_a_name_lists_them(connect: Connect) -> None:
    async with connect() as agent:
        (content,) = (await agent.read_resource("wfe://templates/")).contents
    assert isinstance(content, TextResourceContents)
    assert "drill" in [each["name"] for each in json.loads(content.text)["templates"]]


async def test_the_names_in_addresses_and_prompts_complete_themselves(connect: Connect) -> None:
    runs = ResourceTemplateReference(type="ref/resource", uri="wfe://runs/{run}/artifacts/{phase}/{artifact}")
    schemas = ResourceTemplateReference(type="ref/resource", uri="wfe://schemas/{name}")
    start = PromptReference(type="ref/prompt", name="start")
    async with connect() as agent:
        run = await drill(agent)

        assert await completed(agent, runs, run=run[:3]) == [run]
        assert await completed(agent, runs, phase="a", given={"run": run}) == ["agreed", "asked"]
        assert await completed(agent, runs, artifact="plan", given={"run": run}) == ["plan_note"]
        assert await completed(agent, runs, phase="a", given={"run": "none"}) == []
        assert await completed(agent, schemas, name="PLAN") == ["plan@1"]
        assert "drill" in await completed(agent, start, template="d")
        assert await completed(agent, start, goal="x") == []


async def test_the_prompts_name_the_calls_to_make(connect: Connect) -> None:
    given = {
        "start": {"goal": "Mend the clock", "template": "drill"},
        "continue": {"run": "r1"},
        "review": {"run": "r1", "phase": "plan"},
        "handoff": {"run": "r1"},
    }
    async with connect() as agent:
        listed = [prompt.name for prompt in (await agent.list_prompts()).prompts]
        text = {}
        for name, arguments in given.items():
            content = (await agent.get_prompt(name, arguments)).messages[0].content
            assert isinstance(content, TextContent)
            text[name] = content.text
        none = (await agent.get_prompt("handoff", {})).messages[0].content
        await call(agent, "status")

    assert listed == list(given)
    assert "Mend the clock" in text["start"]
    assert "start_run(template='drill')" in text["start"]
    assert "status(run='r1')" in text["continue"]
    assert "I decide" in text["review"]
    assert "r1" in text["handoff"]
    assert "status(run=…, wait_s=45)" in text["start"], "of several open runs status waits for none"
    assert isinstance(none, TextContent)
    assert none.text.startswith("wfe run cannot be handed over: This project has no run")


async def test_the_prompt_to_hand_over_brings_the_page_itself(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        content = (await agent.get_prompt("handoff", {"run": run})).messages[0].content
        newest = (await agent.get_prompt("handoff", {})).messages[0].content

    assert isinstance(content, TextContent)
    assert f"# Hand-off of run {run}" in content.text
    assert "## Evidenced" in content.text
    assert newest == content
