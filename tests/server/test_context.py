"""An orchestrator asks for the context of a run: as an artifact, and as a resource."""

import json

import pytest
from mcp_types import TextResourceContents

from tests.server.conftest import Connect, House, call, drill, submitted
from tests.tokenizer import tokens


@pytest.mark.requirement("S4-18", "S4-31")
async def test_the_context_of_a_run_is_read_by_tool_and_as_a_resource(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent, title="Weather service")
        await submitted(agent, run, "plan", "Cache the forecast")
        found = await call(agent, "read_artifact", run=run, artifact="context:pack", phase="signed")
        wrong = await call(agent, "read_artifact", run=run, artifact="context:pack", phase="sined")
        text = (await agent.read_resource(f"wfe://runs/{run}/context")).contents[0]

    assert found["data"]["duty"]["artifact"] == "signed_note"
    assert [each["phase"] for each in found["data"]["reports"]] == ["plan"]
    assert "Cache the forecast" in found["data"]["reports"][0]["text"]
    assert wrong["error"]["code"] == "unknown_phase"
    assert isinstance(text, TextResourceContents)
    assert text.mime_type == "text/markdown"
    assert "# Context of" in text.text
    assert "Cache the forecast" in text.text


@pytest.mark.requirement("S4-31")
async def test_an_orchestrator_reads_what_the_project_is_in_one_answer(connect: Connect, house: House) -> None:
    (house.root / "go.mod").write_text("module m\n\nrequire github.com/gin-gonic/gin v1.10.0\n", encoding="utf-8")
    async with connect() as agent:
        run = await drill(agent, title="Weather service")
        found = await call(agent, "status", detail="project")

    data = found["data"]
    assert data["found"]["framework"] == ["Gin (go.mod:3)"]
    assert data["found"]["port"] == ["8080 (go.mod:3, default)"]
    assert [(each["run"], each["title"]) for each in data["runs"]] == [(run, "Weather service")]
    assert tokens(json.dumps(data)) <= 2_500
