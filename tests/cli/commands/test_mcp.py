"""Which MCP servers there are, and whether they answer, at a terminal."""

import json
import sys
from collections.abc import Iterator

import pytest

from tests.cli.scene import PIN, Terminal, template
from tests.tools.stub import Stub, running_stub


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    with running_stub(tmp_path_factory.mktemp("stub") / "calls.jsonl") as running:
        yield running


def configure(cli: Terminal, text: str, *, trusted: bool = True) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + text)
    if trusted:
        assert cli.json("trust", "--yes", pin=PIN).code == 0


def with_stub(cli: Terminal, stub: Stub, more: str = "") -> None:
    configure(cli, f'[mcp_servers.stub]\nurl = "{stub.url}"\n[http]\nallow = ["{stub.origin}"]\n{more}')


BROKEN = f"[mcp_servers.broken]\ncommand = {json.dumps(sys.executable)}\nargs = ['-c', 'raise SystemExit(3)']\nenv = ['NO_SUCH_TOKEN']\n"


def test_without_servers_that_is_said(cli: Terminal) -> None:
    assert "No MCP server is configured" in cli("mcp", "list").out
    document = cli.json("mcp", "test")
    assert (document.code, document.document["summary"]) == (0, "No trusted MCP server is configured.")
    assert "name one in .wfe/config.toml, [mcp_servers.NAME], and run: wfe-mcp trust" in cli("mcp", "test", "hub").err
    assert "name one in .wfe/config.toml, [environments.NAME]" in cli("deployments", "live").err


@pytest.mark.requirement("S2-25")
def test_servers_are_listed_with_what_they_lack(cli: Terminal, stub: Stub) -> None:
    with_stub(cli, stub)
    configure(cli, BROKEN, trusted=False)
    looked = {each["topic"]: each for each in cli.json("doctor").data["findings"]}
    assert looked["MCP server broken"]["message"] == "needs trust; fix: wfe-mcp trust"
    found = {each["name"]: each for each in cli.json("mcp", "list").data["servers"]}
    assert (found["stub"]["where"], found["stub"]["trusted"]) == (stub.url, False), "the file changed: nothing counts"
    assert cli.json("trust", "--yes", pin=PIN).code == 0
    found = {each["name"]: each for each in cli.json("mcp", "list").data["servers"]}
    assert (found["broken"]["trusted"], found["broken"]["missing"]) == (True, ["NO_SUCH_TOKEN"])
    assert "NO_SUCH_TOKEN" in cli("mcp", "list").out
    looked = {each["topic"]: each for each in cli.json("doctor").data["findings"]}
    assert looked["MCP server broken"]["message"] == (
        "not set: NO_SUCH_TOKEN; fix: set it where you start wfe-mcp and your client, then restart them"
    )
    assert looked["MCP server stub"]["level"] == "ok"


def test_a_server_whose_program_is_not_installed_is_a_problem_for_doctor(cli: Terminal) -> None:
    configure(cli, '[mcp_servers.github]\ncommand = "no-such-program-of-ours"\n')
    looked = {each["topic"]: each for each in cli.json("doctor").data["findings"]}["MCP server github"]
    assert (looked["level"], "'no-such-program-of-ours' is not installed; fix: " in looked["message"]) == (
        "problem",
        True,
    )
    assert "github  'no-such-program-of-ours' is not installed" in cli("mcp", "list").out
    asked = cli("mcp", "test", "github")
    assert "could not be reached: 'no-such-program-of-ours' is not installed\n" in asked.out


def test_a_server_no_one_trusts_is_never_started(cli: Terminal) -> None:
    configure(cli, BROKEN, trusted=False)
    assert cli.json("mcp", "test", "broken").refusal == "needs_trust"
    assert cli.json("mcp", "test").data["servers"] == []


def test_each_server_is_asked_and_what_does_not_answer_is_named(cli: Terminal, stub: Stub) -> None:
    with_stub(cli, stub, BROKEN)
    document = cli.json("mcp", "test")
    assert (document.code, document.document["summary"]) == (1, "1 of 2 MCP servers answered.")
    broken, fine = document.data["servers"]
    assert (broken["ok"], "could not be reached" in broken["fault"]) == (False, True)
    assert (fine["version"], "say" in {tool["name"] for tool in fine["tools"]}) == ("1.2.3", True)
    answer = cli("mcp", "test")
    assert "stub.say  Plain words." in answer.out
    assert "broken: MCP server 'broken' could not be reached" in answer.out
    one = cli("mcp", "test", "stub")
    assert (one.code, "1 of 1 MCP server answered." in one.out) == (0, True)
    assert "Did you mean 'stub'?" in cli("mcp", "test", "stup").err


@pytest.mark.requirement("B-18")
def test_lint_asks_a_server_for_its_tools_and_one_that_does_not_answer_blocks_nothing(
    cli: Terminal, stub: Stub
) -> None:
    with_stub(cli, stub, BROKEN)
    steps = [{"id": "a", "tool": "stub.sya"}, {"id": "b", "tool": "broken.any"}, {"id": "c", "tool": "stub.say"}]
    (cli.root / "t.json").write_text(json.dumps(template("t", {"id": "ci", "kind": "steps", "steps": steps})))
    assert cli("templates", "lint", "t.json").code == 0
    document = cli.json("templates", "lint", "t.json", "--tools")
    assert document.document["errors"] == [
        {"path": "/phases/0/steps/0/tool", "message": "MCP server 'stub' has no tool 'sya'; did you mean 'say'?"}
    ]
    assert "Warning: the tools of 'broken' are not checked" in document.err
    assert cli("templates", "lint", "letter", "--tools").code == 0


def test_lint_without_a_project_asks_no_one(empty: Terminal) -> None:
    ci = {"id": "ci", "kind": "steps", "steps": [{"id": "a", "tool": "stub.say"}]}
    (empty.root / "t.json").write_text(json.dumps(template("t", ci)))
    document = empty.json("templates", "lint", "t.json", "--tools")
    assert (document.code, document.document["requires"]["servers"]) == (0, ["stub"])


def test_show_lists_each_step(cli: Terminal) -> None:
    made = {"id": "made", "builtin": "set", "params": {"n": 1}}
    ci = {
        "id": "ci",
        "kind": "steps",
        "steps": [made, {"id": "red", "builtin": "fail"}],
        "on_fail": [{"do": "wait_human"}],
    }
    cli.save(template("ci", ci))
    run = cli.start("ci")
    cli.json("status", run)
    assert "step made queued builtin set" in " ".join(cli("show", run).out.split())


def test_a_template_shows_what_its_steps_call(cli: Terminal) -> None:
    steps = [{"id": "a", "tool": "stub.say"}, {"id": "b", "http": {"url": "https://example.org", "method": "POST"}}]
    cli.save(template("calls", {"id": "ci", "kind": "steps", "steps": steps}))
    output = cli("templates", "show", "calls").out
    assert "step a  tool stub.say" in output
    assert "step b  http POST https://example.org" in output
