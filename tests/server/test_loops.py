"""Artifacts made in a loop have resource addresses."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from mcp_types import ResourceTemplateReference, TextResourceContents

from tests.server.conftest import HUMAN, Connect, House, call, phase
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.workflow.load import digest

WALK: dict[str, Any] = {
    "format": "wfe/1",
    "name": "walk",
    "version": "1.0.0",
    "phases": [{"id": "each", "kind": "loop", "for_each": {"in": "${['a', 'b']}"}, "phases": [phase("code")]}],
}


@pytest.fixture
def walk(house: House) -> None:
    """The project has a template with a loop."""
    folder = house.root / ".wfe" / "templates" / "walk"
    folder.mkdir(parents=True)
    (folder / "template.json").write_text(json.dumps(WALK), encoding="utf-8")
    engine = house.engine()
    with engine.store.tx() as tx:
        tx.trust.give(engine.project_id, trust_key("walk"), digest(WALK), HUMAN, utc_now())
    engine.close()


@pytest.mark.usefixtures("walk")
async def test_an_artifact_made_in_a_loop_has_an_address(connect: Connect) -> None:
    place = ResourceTemplateReference(type="ref/resource", uri="wfe://runs/{run}/artifacts/{phase}/{artifact}")
    async with connect() as agent:
        run = (await call(agent, "start_run", template="walk"))["run"]
        begun = await call(agent, "start_phase", run=run)
        assert begun["phase"] == "each[0].code"
        await call(agent, "submit_artifact", run=run, phase="each[0].code", artifact={"title": "made"})
        found = (await agent.read_resource(f"wfe://runs/{run}/artifacts/{quote('each[0].code')}/code_note")).contents[0]
        assert isinstance(found, TextResourceContents)
        assert json.loads(found.text) == {"title": "made"}
        argument = {"name": "phase", "value": "each["}
        assert (await agent.complete(place, argument, {"run": run})).completion.values == ["each[1].code"]


@pytest.mark.usefixtures("walk")
async def test_a_phase_of_a_loop_without_its_item_and_a_phase_in_place_of_its_artifact_are_understood(
    connect: Connect,
) -> None:
    async with connect() as agent:
        run = (await call(agent, "start_run", template="walk"))["run"]
        unknown = await call(agent, "start_phase", run=run, phase="code")
        await call(agent, "start_phase", run=run, phase="each[0].code")
        await call(agent, "submit_artifact", run=run, phase="each[0].code", artifact={"title": "made"})
        read = await call(agent, "read_artifact", run=run, artifact="each[0].code")
        missing = await call(agent, "read_artifact", run=run, artifact="each")

    assert (unknown["error"]["code"], unknown["error"]["hint"]) == (
        "unknown_phase",
        "Give its whole path: each[0].code.",
    )
    assert (read["data"]["artifact"], read["data"]["content"]) == ("code_note", {"title": "made"})
    assert "Did you mean 'each'?" not in missing["error"]["hint"]
