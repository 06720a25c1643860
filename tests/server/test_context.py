"""An orchestrator asks for the context of a run: as an artifact, and as a resource."""

import pytest
from mcp_types import TextResourceContents

from tests.server.conftest import Connect, call, drill, submitted


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
