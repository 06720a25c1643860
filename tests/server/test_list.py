"""Server information and tool list, as a client sees them before the first call."""

import json
import shutil
from pathlib import Path
from typing import Any

from mcp import Client
from mcp_types import Tool

from scripts import generate_front, generate_toolsnaps
from tests.server.conftest import Connect
from tests.tokenizer import tokens
from wfe_mcp import __version__
from wfe_mcp.server.app import INSTRUCTIONS
from wfe_mcp.views.moves.envelope import ENVELOPE_SCHEMA, LIMIT_BYTES

# Design §6, the part that is built: tool → arguments (* = required).
DESIGN = {
    "list_templates": "query name",
    "start_run": "template inputs title driver auto idempotency_key",
    "status": "run wait_s detail",
    "start_phase": "run* phase",
    "submit_artifact": "run* phase* attempt artifact path note attach",
    "approve": "run* phase* sha256 comment",
    "reject": "run* phase* feedback* to",
    "retry_phase": "run* phase* role feedback",
    "skip_phase": "run* phase* reason*",
    "rollback": "run* to* files",
    "control_run": "run* action* phase reason",
    "read_artifact": "run* phase artifact revision pointer against",
    "second_opinion": "run phase question reviewers wait_s",
    "find": "query* kind run limit cursor",
    "save_template": "definition* dry_run",
    "work": "action* kind status id item cursor",
}
ALWAYS = {"start_run", "status", "start_phase", "submit_artifact"}
MODEL_TOKENS = 2_500
WHOLE_TOKENS = 3_800
README = Path(__file__).resolve().parents[2] / "README.md"


def arguments(tool: Tool) -> str:
    required: list[str] = tool.input_schema.get("required", [])
    return " ".join(f"{name}*" if name in required else name for name in tool.input_schema["properties"])


async def listed(agent: Client) -> dict[str, Tool]:
    return {tool.name: tool for tool in (await agent.list_tools()).tools}


async def test_the_tools_and_their_arguments_are_those_of_the_design(connect: Connect) -> None:
    async with connect() as agent:
        tools = await listed(agent)

    assert {name: arguments(tool) for name, tool in tools.items()} == DESIGN


async def test_every_tool_shows_the_same_result_and_takes_no_unknown_argument(connect: Connect) -> None:
    async with connect() as agent:
        tools = await listed(agent)

    for tool in tools.values():
        assert tool.output_schema == ENVELOPE_SCHEMA
        assert tool.input_schema["additionalProperties"] is False
        assert tool.annotations is not None
        assert tool.annotations.open_world_hint is False


async def test_the_tools_of_the_main_path_are_at_hand_at_once(connect: Connect) -> None:
    async with connect() as agent:
        tools = await listed(agent)

    assert {name for name, tool in tools.items() if (tool.meta or {}).get("anthropic/alwaysLoad")} == ALWAYS


async def test_what_a_model_sees_of_the_tools_is_short(connect: Connect) -> None:
    async with connect() as agent:
        tools = await listed(agent)
    seen: list[dict[str, Any]] = [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
        for tool in tools.values()
    ]

    text = json.dumps(seen, separators=(",", ":"))
    whole = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools.values()]
    assert tokens(text) <= MODEL_TOKENS
    assert f"| {tokens(text):,} |" in README.read_text(encoding="utf-8")
    assert tokens(json.dumps(whole, separators=(",", ":"))) <= WHOLE_TOKENS
    assert not any(word in text for word in ('"title":"', '"default":null', '"anyOf"', '"$defs"', '"$ref"'))


async def test_the_tools_with_long_results_say_so(connect: Connect) -> None:
    async with connect() as agent:
        tools = await listed(agent)

    sizes = {
        name: size for name, tool in tools.items() if (size := (tool.meta or {}).get("anthropic/maxResultSizeChars"))
    }
    assert sizes == dict.fromkeys(("start_phase", "read_artifact"), 2 * LIMIT_BYTES)


async def test_a_client_learns_who_we_are_and_what_to_call_first(connect: Connect) -> None:
    async with connect() as agent:
        assert agent.server_info is not None
        assert (agent.server_info.name, agent.server_info.version) == ("wfe", __version__)
        assert agent.instructions == INSTRUCTIONS

    assert len(INSTRUCTIONS.encode()) < 1_000
    assert "Call status first" in INSTRUCTIONS[:250]
    assert "start_run" in INSTRUCTIONS[:250]


async def test_the_front_answers_what_the_live_server_answers() -> None:
    live = await generate_front.live()

    assert json.loads(Path(generate_front.CACHE).read_text(encoding="utf-8")) == live
    assert live["handshake"]["initialize"]["capabilities"]["tools"] == {"listChanged": True}


def test_an_old_cache_of_the_front_is_noticed_and_written_again(tmp_path: Path) -> None:
    cache = tmp_path / "front.json"
    cache.write_text("{}", encoding="utf-8")

    assert generate_front.main(["--check"], cache) == 1
    assert generate_front.main([], cache) == 0
    assert generate_front.main(["--check"], cache) == 0
    assert generate_front.main(["--wrong"], cache) == 2


def test_the_snapshots_of_the_tools_are_as_the_tools_are(tmp_path: Path) -> None:
    assert generate_toolsnaps.differences(generate_toolsnaps.FOLDER) == []

    copy = Path(shutil.copytree(generate_toolsnaps.FOLDER, tmp_path / "toolsnaps"))
    (copy / "gone.json").write_text("{}", encoding="utf-8")
    (copy / "status.json").unlink()
    assert generate_toolsnaps.main(["--check"], copy) == 1
    assert generate_toolsnaps.main([], copy) == 0
    assert generate_toolsnaps.main(["--check"], copy) == 0
