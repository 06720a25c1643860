"""What is too large or could explode is refused over MCP and by the command line, with the limit."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.artifacts.test_isolated import branching, exploding
from tests.server.conftest import Connect, House, call
from tests.server.test_stdio import PATIENCE_S, serving
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.server.fast_start import CAPABILITIES_KEY, MODERN, VERSION_KEY
from wfe_mcp.workflow.load import digest

HUMAN = By("ada", Channel.CLI, Assurance.HUMAN)


def template(count: int, schema: Any = "plan@1") -> dict[str, Any]:
    phases = [{"id": f"p{n}", "prompt": "x", "output": {"artifact": f"a{n}", "schema": schema}} for n in range(count)]
    return {"format": "wfe/1", "name": "big", "version": "1.0.0", "phases": phases}


async def test_a_template_of_twelve_thousand_phases_is_refused_by_save_template(connect: Connect) -> None:
    async with connect() as agent:
        for dry_run in (True, False):
            answer = await call(agent, "save_template", definition=template(12_000), dry_run=dry_run)
            assert (answer["ok"], answer["error"]["code"]) == (False, "invalid_template")
            faults = {detail["path"]: detail["message"] for detail in answer["error"]["details"]}
            assert "has 12,000 phases; at most 1,000 are allowed. Split the template" in faults["/phases"]


def test_a_template_of_twelve_thousand_phases_is_refused_by_the_command_line(house: House) -> None:
    (house.root / "big.json").write_text(json.dumps(template(12_000), separators=(",", ":")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "wfe_mcp", "templates", "lint", "big.json", "--json", "--project", str(house.root)],
        capture_output=True,
        cwd=house.root,
        env=house.environment,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.returncode == 1, done
    faults = {each["path"]: each["message"] for each in json.loads(done.stdout)["errors"]}
    assert "has 12,000 phases; at most 1,000 are allowed" in faults["/phases"]


async def test_a_schema_of_twenty_branching_definitions_is_refused_by_save_template(connect: Connect) -> None:
    async with connect() as agent:
        answer = await call(agent, "save_template", definition=template(1, branching(20)))
    (detail,) = answer["error"]["details"]
    assert (answer["error"]["code"], detail["path"]) == ("invalid_template", "/phases/0/output/schema")
    assert "has 6,291,453 schemas in one place; at most 50,000 are allowed" in detail["message"]


async def test_an_artifact_for_a_schema_that_explodes_is_refused_and_the_attempt_stays_open(
    house: House, connect: Connect
) -> None:
    made = template(1, exploding(20))
    async with connect() as agent:
        saved = await call(agent, "save_template", definition=made)
        assert saved["ok"], saved
        engine = house.engine()
        with engine.store.tx() as tx:
            tx.trust.give(engine.project_id, trust_key("big"), digest(made), HUMAN, utc_now())
        engine.close()
        run = (await call(agent, "start_run", template="big@1.0.0"))["run"]
        begun = await call(agent, "start_phase", run=run, phase="p0")
        assert begun["ok"], begun
        no = await call(agent, "submit_artifact", run=run, phase="p0", artifact={"x": 1})
        assert no["error"]["code"] == "too_large"
        assert "needs more than" in no["error"]["message"]
        good = await call(agent, "submit_artifact", run=run, phase="p0", artifact={})
        assert good["ok"], good


@pytest.mark.parametrize("end", ["stays", "leaves"])
def test_ten_megabytes_of_nesting_are_refused_and_the_server_continues(house: House, end: str) -> None:
    meta: dict[str, Any] = {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}}
    head = b'{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"save_template","arguments":{"definition":{"a":'
    with serving(house) as child:
        for nested in (b"[" * 5_000_000 + b"]" * 5_000_000, b"[" + b"[]," * 2_000_000 + b"[]]"):
            child.write(head + nested + b"}}}}")
            if end == "stays":
                refused = child.read()
                assert refused["id"] == 99
                assert "; at most " in refused["error"]["message"]
        if end == "stays":
            child.ask("tools/list", **meta)
            assert child.read()["result"]["tools"]
        assert child.end() == 0
