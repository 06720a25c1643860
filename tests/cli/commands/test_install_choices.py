"""What install asks, chooses and refuses, and opencode's two shapes."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.client_files import (
    everything,
    posix,
)
from tests.cli.scene import Terminal
from wfe_mcp.workspace.config.edits import value_at


def test_without_a_name_every_installed_client_is_connected_and_a_refusal_leaves_the_others(empty: Terminal) -> None:
    (Path.home() / ".codex").mkdir()
    (Path.home() / ".gemini").mkdir()
    (Path.home() / ".cursor").mkdir()
    (empty.root / ".gemini").mkdir()
    (empty.root / ".gemini" / "settings.json").write_text("{")
    answer = empty("install", "--yes")
    assert answer.code == 1
    assert "Connected Codex (.codex/config.toml); a test start worked, 16 tools." in answer.out
    assert "Connected Cursor (.cursor/mcp.json)" in answer.out
    assert "error: Gemini CLI cannot read" in answer.err
    states = {each["client"]: each["state"] for each in empty.json("install", "--yes").data["clients"]}
    assert states == {"codex": "connected", "cursor": "connected", "gemini-cli": "refused"}


def test_a_dry_run_shows_the_changes_and_writes_and_starts_nothing(empty: Terminal) -> None:
    before = everything(empty.place)
    answer = empty("install", "--client", "codex", "--dry-run")
    assert answer.code == 0
    assert "Codex: .codex/config.toml (new), server wfe\n  + [mcp_servers.wfe]\n" in answer.out
    assert "Would connect Codex." in answer.out and "test start" not in answer.out
    assert everything(empty.place) == before
    empty("install", "--client", "codex", "--yes")
    there = everything(empty.place)
    gone = empty("uninstall", "--dry-run")
    assert "  - [mcp_servers.wfe]\n" in gone.out and "Would disconnect Codex (project)." in gone.out
    assert everything(empty.place) == there


def test_a_client_that_may_call_the_tools_already_is_not_said_to_ask(empty: Terminal) -> None:
    assert "It asks before each call" in empty("install", "--client", "codex", "--yes").out
    empty("install", "--client", "codex", "--yes", "--allow")
    assert "It asks before each call" not in empty("install", "--client", "codex", "--yes", "--hooks").out


def test_at_a_terminal_the_client_the_permission_the_lines_and_the_hooks_are_asked_for_one_by_one(
    empty: Terminal, answering: Callable[..., None]
) -> None:
    answering("n", "y", "y", "n", "y", "n", "y")
    assert empty.json("install", "--client", "codex").refusal == "needs_human"
    assert not (empty.root / ".codex").exists()
    answer = empty("install", "--client", "codex")
    assert answer.code == 0
    assert "Connect Codex? [y/N] " in answer.err
    assert "May Codex call wfe's tools without asking? Approvals still need your PIN. [y/N] " in answer.err
    assert "Add 3 lines on when to use wfe to AGENTS.md? [y/N] " in answer.err
    assert "Add hooks that hold Codex to the open phase of a run? They are silent without one. [y/N] " in answer.err
    assert (empty.root / ".codex" / "hooks.json").exists()
    assert "approve" in (empty.root / ".codex" / "config.toml").read_text()
    assert not (empty.root / "AGENTS.md").exists()
    assert "Next: tell your agent: Use wfe quick_fix to fix <the bug>." in answer.err
    assert empty.json("uninstall").refusal == "needs_human"
    assert (empty("uninstall").code, (empty.root / ".codex").exists()) == (0, False)


def test_without_a_terminal_nothing_is_written_and_permission_is_never_given_silently(empty: Terminal) -> None:
    assert empty.json("install", "--client", "codex").refusal == "needs_human"
    assert not (empty.root / ".codex").exists()
    answer = empty("install", "--client", "codex", "--yes")
    assert "approve" not in (empty.root / ".codex" / "config.toml").read_text()
    assert (
        "It asks before each call that changes something; codex exec refuses those calls; to allow wfe's tools: wfe-mcp install --client codex --allow."
        in answer.out
    )


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--client", "cursr"], "No client is called 'cursr'.", "Did you mean 'cursor'?"),
        (["--client", "emacs"], "No client is called 'emacs'.", "There are: claude-code, codex, cursor, "),
        (
            ["--client", "goose", "--scope", "project"],
            "Goose reads no file of a project.",
            "wfe-mcp install --client goose --scope user",
        ),
        (["--scope", "usr"], "--scope 'usr' is not known.", "Did you mean 'user'?"),
        (["--command", "pip"], "--command 'pip' is not known.", "There are: auto, path, name, uvx."),
        ([], "No client was found on this machine.", "Name one: wfe-mcp install --client NAME, of claude-code, "),
    ],
)
def test_wrong_words_are_refused_with_the_nearest_valid_ones(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str, hint: str
) -> None:
    monkeypatch.setenv("PATH", str(empty.root))
    error = empty.json("install", *words).document["error"]
    assert error["message"] == message and error["hint"].startswith(hint)


def test_uninstall_without_a_connection_says_so_and_leaves_broken_files_of_others(empty: Terminal) -> None:
    (empty.root / ".mcp.json").write_text("{")
    answer = empty("uninstall", "--yes")
    assert (answer.code, answer.out) == (0, "No client is connected; nothing to change.\n")
    assert empty.json("uninstall", "--client", "claude-code", "--yes").refusal == "conflict"


@posix
def test_a_program_of_the_same_name_is_not_started_and_nothing_is_written(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = empty.root / "bin"
    programs.mkdir()
    (programs / "wfe-mcp").write_text(f"#!/bin/sh\ntouch {empty.root / 'started'}\n")
    (programs / "wfe-mcp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    error = empty.json("install", "--client", "codex", "--command", "name", "--yes").document["error"]
    assert error["code"] == "unavailable"
    assert "wfe-mcp serve is not this installation" in error["message"] and "was not started" in error["message"]
    assert not (empty.root / ".codex").exists() and not (empty.root / "started").exists()


@posix
def test_the_name_of_a_shared_file_is_to_be_committed_and_a_path_is_not(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    answer = empty("install", "--client", "claude-code", "--yes", "--instructions")
    assert json.loads((empty.root / ".mcp.json").read_text())["mcpServers"]["wfe"]["command"] == "wfe-mcp"
    assert "To share with your team, commit .mcp.json CLAUDE.md" in answer.out
    answer = empty("install", "--client", "cursor", "--yes", "--command", "path")
    assert "Do not commit .cursor/mcp.json: the command is a path of this machine." in answer.out


@posix
def test_a_path_of_this_machine_that_a_delivery_would_commit_is_to_be_ignored(empty: Terminal) -> None:
    empty.git("init", "-q")
    (empty.root / ".gitignore").write_text("/.cursor/\n")
    answer = empty("install", "--client", "cursor", "--yes", "--command", "path")
    assert "Do not commit .cursor/mcp.json: the command is a path of this machine.\n" in answer.out
    answer = empty("install", "--client", "claude-code", "--yes", "--command", "path")
    assert "List .mcp.json in .gitignore: else a run that delivers commits it." in answer.out


# -- instructions that are no UTF-8 ----------------------------------------------------------------------------------


def test_lines_are_not_added_to_a_text_in_utf_16(empty: Terminal) -> None:
    file = empty.root / "AGENTS.md"
    file.write_bytes("Be brief.\r\n".encode("utf-16"))
    before = file.read_bytes()
    error = empty.json("install", "--client", "cursor", "--yes", "--instructions").document["error"]
    assert (error["code"], "--no-instructions" in error["hint"]) == ("conflict", True), error
    assert file.read_bytes() == before and not (empty.root / ".cursor").exists()


def test_lines_in_a_text_of_another_encoding_are_removed_again(empty: Terminal) -> None:
    file = empty.root / "AGENTS.md"
    file.write_bytes("Fasse dich kürzer.\n".encode("latin-1"))
    assert empty("install", "--client", "cursor", "--yes", "--instructions").code == 0
    file.write_bytes(file.read_bytes() + "Grüße\n".encode("latin-1"))
    assert empty("uninstall", "--client", "cursor", "--yes").code == 0
    assert file.read_bytes() == "Fasse dich kürzer.\nGrüße\n".encode("latin-1")


# -- opencode's two shapes -------------------------------------------------------------------------------------------


@pytest.fixture
def opencode(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``opencode("2.1.0")``: a program that reports that version."""

    def put(version: str) -> None:
        programs = empty.root.parent / "programs"
        programs.mkdir(exist_ok=True)
        (programs / "opencode").write_text(f"#!/bin/sh\necho {version}\n")
        (programs / "opencode").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    return put


@posix
def test_opencode_2_gets_its_own_shape(empty: Terminal, opencode: Callable[[str], None]) -> None:
    opencode("2.1.0")
    assert empty("install", "--yes").code == 0
    found = json.loads((empty.root / "opencode.json").read_text())
    assert found["mcp"]["servers"]["wfe"]["timeout"] == {"startup": 30000, "request": 120000}
    assert found["mcp"]["servers"]["wfe"]["disabled"] is False
    assert empty("uninstall", "--yes").code == 0
    assert not (empty.root / "opencode.json").exists()


@posix
@pytest.mark.parametrize(
    ("version", "text", "path"),
    [
        ("1.18.0", '{"mcp": {"servers": {"a": {"type": "local"}}}}', ("mcp", "servers", "wfe")),
        ("2.0.0", '{"mcp": {"a": {"type": "local", "command": ["a"]}}}', ("mcp", "wfe")),
        ("1.18.0", "{}", ("mcp", "wfe")),
        ("unknown", "{}", ("mcp", "wfe")),
    ],
)
def test_the_shape_that_opencodes_file_has_is_kept(
    empty: Terminal, opencode: Callable[[str], None], version: str, text: str, path: tuple[str, ...]
) -> None:
    opencode(version)
    (empty.root / "opencode.jsonc").write_text(text)
    assert empty("install", "--client", "opencode", "--yes").code == 0
    found = json.loads((empty.root / "opencode.jsonc").read_text())
    assert value_at(found, path)["type"] == "local"
    assert not (empty.root / "opencode.json").exists()
