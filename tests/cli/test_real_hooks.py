"""The real Claude Code with the plugin, a scripted model on this machine, and a run that is open.

It runs where it is found: in the folder that ``WFE_CLIENTS`` names (its ``node_modules/.bin``, or itself), else on PATH.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.scene import Terminal
from wfe_mcp.testing.models.script import Call, Turn
from wfe_mcp.testing.models.server import ModelServer

TOOL = "mcp__plugin_wfe_wfe__"
CLIENTS = os.environ.get("WFE_CLIENTS")  # read here: the scene clears such variables


def program(name: str) -> str:
    folders = os.pathsep.join([CLIENTS, str(Path(CLIENTS, "node_modules", ".bin"))]) if CLIENTS else None
    found = shutil.which(name, path=folders)
    if found is None:
        pytest.skip(f"{name} is not installed here; set WFE_CLIENTS")
    return found


def session(cli: Terminal, plugin: Path, turns: list[Turn]) -> str:
    """What the model was sent in the last request of a session with this script."""
    claude = program("claude")
    with ModelServer(turns) as models:
        env = {
            "PATH": os.environ["PATH"], "HOME": str(Path.home()), "LANG": "C.UTF-8", "IS_SANDBOX": "1",
            "WFE_DATABASE_URL": os.environ["WFE_DATABASE_URL"], "ANTHROPIC_API_KEY": "sk-dummy-0123456789",
            "ANTHROPIC_BASE_URL": models.origin, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }  # fmt: skip
        argv = [claude, "-p", "go", "--plugin-dir", str(plugin / "wfe"), "--dangerously-skip-permissions"]
        subprocess.run(
            argv, cwd=cli.root, env=env, capture_output=True, timeout=150, check=True, stdin=subprocess.DEVNULL
        )
        return json.dumps(models.asked[-1].body)


def test_claude_code_is_held_to_the_open_phase_and_its_calls_are_recorded(cli: Terminal, tmp_path: Path) -> None:
    program("claude")
    run = cli.start("note")
    cli("plugin", str(tmp_path / "made"))
    turns = [
        Turn(calls=(Call("Write", {"file_path": str(cli.root / "a.txt"), "content": "x"}),)),
        Turn(calls=(Call("Bash", {"command": "echo x > b.txt", "description": "d"}),)),
        Turn(calls=(Call("Bash", {"command": f"wfe-mcp approve {run} draft", "description": "d"}),)),
        Turn(calls=(Call(f"{TOOL}start_phase", {"run": run, "phase": "draft"}),)),
        Turn(calls=(Call("Write", {"file_path": str(cli.root / "c.txt"), "content": "x"}),)),
        Turn(text="stop"), Turn(text="stop again"),
    ]  # fmt: skip
    sent = session(cli, tmp_path / "made", [*turns, *[Turn(text="x")] * 5])
    for told in (
        f"wfe-mcp: run {run} (note: A note) is open in this project", "a.txt is not changed. [not_ready]", "b.txt is not changed. [not_ready]",
        "wfe-mcp approve is for the user alone. [needs_human]", f"Run {run} is still open: phase 'draft', attempt 1, is running.",
    ):  # fmt: skip
        assert told in sent
    assert [(cli.root / f"{name}.txt").exists() for name in "abc"] == [False, False, True]
    (shown,) = cli.json("show", run, "--tools").data["attempts"]
    assert [(call["tool"], call["ok"]) for call in shown["tool_calls"]] == [("Write", True)]


def test_without_an_open_run_claude_code_works_as_without_the_plugin(cli: Terminal, tmp_path: Path) -> None:
    program("claude")
    cli("plugin", str(tmp_path / "made"))
    sent = session(cli, tmp_path / "made", [
        Turn(calls=(Call("Bash", {"command": "echo x > b.txt", "description": "d"}),)), *[Turn(text="done")] * 5,
    ])  # fmt: skip
    assert (cli.root / "b.txt").exists()
    assert "hook error" not in sent and "is open in this project" not in sent
