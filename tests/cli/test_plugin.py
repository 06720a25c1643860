"""The plugin for Claude Code that ``wfe-mcp plugin`` writes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import Terminal
from wfe_mcp import __version__
from wfe_mcp.cli.app import COMMANDS
from wfe_mcp.clients import plugin
from wfe_mcp.clients.table import TOOLS

WORDS = 600


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


@pytest.fixture
def folder(cli: Terminal, tmp_path: Path) -> Path:
    message = cli.json("plugin", str(tmp_path / "made"))
    assert message.code == 0, message.out
    assert sorted(message.data["files"]) == sorted(
        each.relative_to(tmp_path / "made").as_posix() for each in (tmp_path / "made").rglob("*") if each.is_file()
    )
    return tmp_path / "made"


def test_the_folder_is_a_marketplace_with_one_plugin_and_says_how_to_install_it(cli: Terminal, tmp_path: Path) -> None:
    message = cli("plugin", str(tmp_path / "made"))
    assert f"claude plugin marketplace add {tmp_path / 'made'}" in message.out + message.err
    assert "claude plugin install wfe@wfe-mcp" in message.out + message.err
    market = read(tmp_path / "made", ".claude-plugin/marketplace.json")
    assert (market["name"], [(each["name"], each["source"]) for each in market["plugins"]]) == (
        "wfe-mcp",
        [("wfe", "./wfe")],
    )
    assert read(tmp_path / "made", "wfe/.claude-plugin/plugin.json")["version"] == __version__


def test_its_server_starts_and_lists_the_tools(cli: Terminal, folder: Path) -> None:
    from wfe_mcp.clients.trial import try_server

    server = read(folder, "wfe/.mcp.json")["mcpServers"]["wfe"]
    assert server["alwaysLoad"] is True
    assert try_server((server["command"], *server["args"]), cli.root, os.environ).tools == TOOLS


@pytest.mark.skipif(sys.platform == "win32", reason="the client runs it with a shell of POSIX")
def test_each_of_its_hooks_runs_by_itself_from_the_folder(cli: Terminal, folder: Path, tmp_path: Path) -> None:
    cli.start("note")
    hooks = read(folder, "wfe/hooks/hooks.json")["hooks"]
    assert {*hooks} == {"SessionStart", "PreToolUse", "PostToolUse", "PostToolUseFailure", "Stop"}
    for name, ((group,),) in {name: (each,) for name, each in hooks.items()}.items():
        (hook,) = group["hooks"]
        line = hook["command"].replace("${CLAUDE_PLUGIN_ROOT}", str(folder / "wfe"))
        event = {
            "hook_event_name": name,
            "cwd": str(cli.root),
            "session_id": "s",
            "tool_name": "Write",
            "tool_input": {"file_path": "a"},
        }
        ran = subprocess.run(
            line, shell=True, input=json.dumps(event), capture_output=True, text=True, check=True, cwd=tmp_path
        )
        assert ("hookEventName" in ran.stdout or "decision" in ran.stdout) is (
            name in ("SessionStart", "PreToolUse", "Stop")
        )
        assert ran.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="the client runs it with a shell of POSIX")
def test_a_script_that_is_gone_is_no_refusal(folder: Path) -> None:
    line = read(folder, "wfe/hooks/hooks.json")["hooks"]["PreToolUse"][0]["hooks"][0]["command"]
    ran = subprocess.run(
        line.replace("${CLAUDE_PLUGIN_ROOT}", "/nowhere"),
        shell=True,
        input="{}",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")


def test_the_skill_teaches_the_loop_in_few_words_and_names_only_what_there_is(folder: Path) -> None:
    text = (folder / "wfe/skills/workflow/SKILL.md").read_text()
    assert len(text.split()) < WORDS
    assert {"status", "start_phase", "submit_artifact", "start_run", "list_templates", "approve"} <= set(
        text.replace("`", " ").split()
    )
    commands = set(COMMANDS)
    for file in (folder / "wfe").rglob("*.md"):
        named = [each.split("`")[0].split() for each in file.read_text().split("`wfe-mcp ")[1:]]
        assert {words[0] for words in named} <= commands


def test_every_command_has_a_description(folder: Path) -> None:
    files = sorted((folder / "wfe/commands").glob("*.md"))
    assert [each.stem for each in files] == ["continue", "handoff", "start", "status"]
    assert all(each.read_text().startswith("---\ndescription: ") for each in files)


@pytest.mark.parametrize("form", ["name", "uvx"])
def test_a_plugin_to_share_holds_no_path_of_this_machine(cli: Terminal, tmp_path: Path, form: str) -> None:
    message = cli.json("plugin", str(tmp_path / "made"), "--command", form)
    assert message.data["is_shared"] is True
    command = read(tmp_path / "made", "wfe/.mcp.json")["mcpServers"]["wfe"]["command"]
    assert command == ("uvx" if form == "uvx" else "wfe-mcp")
    made = read(tmp_path / "made", "wfe/hooks/hooks.json")["hooks"]["Stop"][0]["hooks"][0]["command"]
    assert made.startswith('"python3" -I -S -c ')
    assert sys.prefix not in made


def test_a_second_time_it_renews_its_own_folder_and_refuses_any_other(
    cli: Terminal, folder: Path, tmp_path: Path
) -> None:
    (folder / "wfe/commands/start.md").write_text("old")
    assert cli.json("plugin", str(folder)).code == 0
    assert (folder / "wfe/commands/start.md").read_text() != "old"
    other = tmp_path / "other"
    other.mkdir()
    assert cli.json("plugin", str(other)).code == 0
    for content in ("mine", "[]", '{"name": "theirs"}'):
        (other / ".claude-plugin/marketplace.json").write_text(content)
        message = cli.json("plugin", str(other))
        assert (message.refusal, "no plugin of wfe-mcp" in message.document["error"]["message"]) == ("conflict", True)
        assert (other / ".claude-plugin/marketplace.json").read_text() == content
    (tmp_path / "file").write_text("")
    assert cli.json("plugin", str(tmp_path / "file")).refusal == "conflict"
    assert cli.json("plugin", str(tmp_path / "file" / "below")).refusal == "unavailable"


def test_a_path_with_a_quote_is_refused(cli: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/it's/python")
    message = cli.json("plugin", str(tmp_path / "made"))
    assert message.refusal == "unavailable"
    assert not (tmp_path / "made").exists()


def test_the_script_in_the_plugin_is_the_one_of_the_package(folder: Path) -> None:
    here = Path(plugin.__file__).parent / "wfe_hook"
    for file in here.glob("*.py"):
        assert (folder / "wfe/hooks/wfe_hook" / file.name).read_bytes() == file.read_bytes()
