"""A prompt that cannot be rendered: what stops it, and how it is corrected."""

from typing import Any

from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp.testing.client import connect

NAMES: dict[str, Any] = {"type": "object", "properties": {"names": {"type": "array"}}}


def _started(cli: Terminal, run: str) -> str:
    """What an agent reads that starts the phase ``build``."""
    with connect(cli.root) as agent:
        answer = agent.call("start_phase", run=run, phase="build")
    error = cli.hear(answer)["error"]
    assert error["code"] == "invalid_template"
    return f"{error['message']} | {error['hint']}"


def test_the_value_that_a_prompt_reads_is_made_again_and_the_phase_starts(cli: Terminal) -> None:
    plan = phase("plan") | {"output": {"artifact": "plan", "schema": NAMES}}
    cli.save(template("listed", plan, phase("build") | {"prompt": "Build ${artifacts.plan.names[1]}."}))
    run = cli.start("listed")
    (cli.root / "draft.json").write_text('{"names": ["one"]}')
    assert cli("submit", run, "plan", "--path", "draft.json").code == 0
    said = _started(cli, run)
    assert "The prompt of phase 'build' cannot be rendered: ${artifacts.plan.names[1]} cannot be evaluated" in said
    assert f"correct what it reads: wfe-mcp rollback {run} plan; submit that phase again. Or ask" in said
    assert cli("rollback", run, "plan", "--no-files", pin=PIN).code == 0
    (cli.root / "draft.json").write_text('{"names": ["one", "two"]}')
    assert cli("submit", run, "plan", "--path", "draft.json").code == 0
    with connect(cli.root) as agent:
        assert "Build two." in agent.call("start_phase", run=run, phase="build")["data"]["prompt"]


def test_a_prompt_that_reads_an_input_leads_to_another_run(cli: Terminal) -> None:
    cli.save(template("given", phase("build") | {"prompt": "Build ${inputs.names[1]}."}, inputs=NAMES))
    run = cli.start("given", "--input", 'names=["one"]')
    said = _started(cli, run)
    assert "This run keeps its template and inputs: ask the user to correct them and to start another run" in said
    assert f"Or ask the user to skip the phase: wfe-mcp skip {run} build --reason TEXT" in said
