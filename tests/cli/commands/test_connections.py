"""Connections of clients at the end of init and in doctor: each finding is provoked once."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.client_files import findings, install, posix, put
from tests.cli.scene import PIN, Terminal
from wfe_mcp.clients.look import client_named


def chosen_pin(_prompt: str) -> str:
    return PIN


def test_init_ends_with_the_clients_that_it_found_and_one_key_connects_them(
    empty: Terminal, answering: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.git("init", "-q")
    for folder in (".codex", ".cursor"):
        (Path.home() / folder).mkdir()
    monkeypatch.setattr("getpass.getpass", chosen_pin)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    answering("y", "", "2", "n", "a", "y", "n", "n")
    answer = empty("init")
    assert (answer.code, "Clients: 1 Codex, 2 Cursor. Connect (1, 2 .., a = all, Enter = none)? " in answer.err) == (
        0,
        True,
    )
    assert not (empty.root / ".codex").exists() and not (empty.root / ".cursor").exists()
    answer = empty("init", "--no-trial")
    assert "Connected Cursor (.cursor/mcp.json); a test start worked, 16 tools." in answer.out
    assert "To share with your team, commit .wfe/config.toml .wfe/.gitignore .cursor/mcp.json" in answer.out
    answer = empty("init", "--no-trial")
    assert "Clients: 1 Codex. Connect" in answer.err and "Connected Codex" in answer.out
    assert "approve" in (empty.root / ".codex" / "config.toml").read_text()
    assert "Clients" not in empty("init", "--no-trial").err


def test_init_without_a_terminal_names_the_clients_and_connects_none(empty: Terminal) -> None:
    (Path.home() / ".codex").mkdir()
    answer = empty("init", "--yes", pin=PIN)
    assert "Clients not connected yet: Codex. To connect them: wfe-mcp install\n" in answer.out
    assert empty.json("init", "--yes", pin=PIN).data["clients"] == ["codex"]
    assert not (empty.root / ".codex").exists()


AGAIN = "fix: wfe-mcp uninstall --client {0} --scope project, then wfe-mcp install --client {0} --scope project"
OURS = '"command": "wfe-mcp", "args": ["serve"{0}]'
CLAUDE = '{"mcpServers": {"wfe": {' + OURS + ', "type": "stdio", "alwaysLoad": true}}}'
NO_TRUST = "Codex ignores it, because it does not trust this project; fix: start codex here and trust it, or wfe-mcp install --client codex --scope user"
CODEX = '[mcp_servers.wfe]\ncommand = "wfe-mcp"\nargs = ["serve"]\nrequired = true\nstartup_timeout_sec = 30\ntool_timeout_sec = 120\nenv_vars = ["WFE_DATABASE_URL"]\n'
GEMINI = '{"mcpServers": {"wfe": {' + OURS + ', "timeout": 1, "trust": true}}}'
NO_FOLDER = "Gemini CLI starts no servers in a folder that it does not trust; fix: /permissions in gemini, or trust the folder when it asks"


@pytest.mark.parametrize(
    ("file", "text", "topic", "level", "message"),
    [
        (
            ".mcp.json",
            "{",
            "Claude Code",
            "problem",
            "Claude Code cannot read ROOT/.mcp.json, line 1: expected a key in double quotes. Fix that file first; it was not changed.",
        ),
        (
            ".mcp.json",
            '{"mcpServers": {"wfe": {"command": "node"}}}',
            "Claude Code",
            "note",
            "ROOT/.mcp.json has a server 'wfe' that is not this wfe-mcp and was not started: node; fix: rename or remove it there, then wfe-mcp install --client claude-code",
        ),
        (
            ".mcp.json",
            CLAUDE.replace("{0}", "").replace('"wfe-mcp"', '"/gone/wfe-mcp"'),
            "Claude Code",
            "problem",
            "ROOT/.mcp.json: its command /gone/wfe-mcp is not found; " + AGAIN.format("claude-code"),
        ),
        (
            ".mcp.json",
            CLAUDE.replace("{0}", ', "--project", "/gone"'),
            "Claude Code",
            "problem",
            "ROOT/.mcp.json: it names the project /gone, which is no folder; fix: correct --project there",
        ),
        (
            ".mcp.json",
            CLAUDE.replace("{0}", ', "--project=/"'),
            "Claude Code",
            "note",
            "ROOT/.mcp.json: it always serves the project /, not this one; fix: remove --project there",
        ),
        (
            ".mcp.json",
            CLAUDE.replace("{0}", "").replace('"type": "stdio"', '"env": {"WFE_PROJECT": "/"}, "type": "stdio"'),
            "Claude Code",
            "note",
            "ROOT/.mcp.json: it always serves the project /, not this one; fix: remove --project there",
        ),
        (
            ".mcp.json",
            CLAUDE.replace("{0}", "").replace(', "alwaysLoad": true', ""),
            "Claude Code",
            "note",
            "ROOT/.mcp.json: the entry lacks alwaysLoad; " + AGAIN.format("claude-code"),
        ),
        (
            ".mcp.json",
            CLAUDE.replace("{0}", "").replace(', "alwaysLoad"', ', "disabled": true, "alwaysLoad"'),
            "Claude Code",
            "problem",
            "ROOT/.mcp.json: the server is disabled there; fix: enable it",
        ),
        (
            ".gemini/settings.json",
            GEMINI.replace("{0}", "").replace('"timeout": 1, ', ""),
            "Gemini CLI",
            "note",
            "ROOT/.gemini/settings.json: the entry lacks timeout; " + AGAIN.format("gemini-cli"),
        ),
        (".codex/config.toml", CODEX, "Codex", "note", "ROOT/.codex/config.toml: " + NO_TRUST),
        (
            ".mcp.json",
            CLAUDE.replace("{0}", ""),
            "Claude Code",
            "ok",
            "ROOT/.mcp.json, serves the project that the client is started in; it asks before each call of a tool; claude -p refuses the calls",
        ),
        (
            ".mcp.json",
            CLAUDE.replace("{0}", ', "--project", "."'),
            "Claude Code",
            "ok",
            "ROOT/.mcp.json, serves .; it asks before each call of a tool; claude -p refuses the calls",
        ),
        (
            ".mcp.json",
            CLAUDE.replace("{0}", ', "--project", "${X}"'),
            "Claude Code",
            "ok",
            "ROOT/.mcp.json, serves ${X}; it asks before each call of a tool; claude -p refuses the calls",
        ),
        (
            ".gemini/settings.json",
            GEMINI.replace("{0}", ""),
            "Gemini CLI",
            "ok",
            "ROOT/.gemini/settings.json, serves the project that the client is started in",
        ),
    ],
)
def test_doctor_says_what_is_wrong_with_a_connection_and_how_to_fix_it(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, file: str, text: str, topic: str, level: str, message: str
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    put(empty.root / file, text)
    assert findings(empty, f"client {topic}") == [(level, message)]
    found = empty.json("doctor")
    assert found.code == 1, "nothing is configured here"


def test_doctor_names_an_installed_client_that_is_not_connected(empty: Terminal) -> None:
    (Path.home() / ".cursor").mkdir()
    assert findings(empty, "client Cursor") == [("note", "not connected; fix: wfe-mcp install --client cursor")]
    assert findings(empty, "client Zed") == []


def test_doctor_knows_who_trusts_the_project(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    home = Path.home()
    put(empty.root / ".codex" / "config.toml", CODEX)
    put(home / ".codex" / "config.toml", f'[projects."{empty.root.as_posix()}"]\ntrust_level = "trusted"\n')
    assert [level for level, _ in findings(empty, "client Codex")] == ["ok"]
    put(home / ".codex" / "config.toml", CODEX)
    assert [level for level, _ in findings(empty, "client Codex")] == ["ok", "ok"]
    put(empty.root / ".mcp.json", CLAUDE.replace("{0}", ""))
    put(empty.root / ".claude" / "settings.local.json", '{"disabledMcpjsonServers": ["wfe"]}')
    ((level, message),) = findings(empty, "client Claude Code")
    assert (level, "because .claude/settings.local.json has it in disabledMcpjsonServers" in message) == ("note", True)
    put(home / ".claude.json", CLAUDE.replace("{0}", ""))
    assert [level for level, _ in findings(empty, "client Claude Code")] == ["note", "ok"]
    put(empty.root / ".gemini" / "settings.json", GEMINI.replace("{0}", ""))
    put(home / ".gemini" / "settings.json", '{"security": {"folderTrust": {"enabled": true}}}')
    assert findings(empty, "client Gemini CLI") == [("note", f"ROOT/.gemini/settings.json: {NO_FOLDER}")]
    put(home / ".gemini" / "trustedFolders.json", json.dumps({str(empty.root): "DO_NOT_TRUST"}))
    assert [level for level, _ in findings(empty, "client Gemini CLI")] == ["note"]
    put(home / ".gemini" / "trustedFolders.json", "{")
    assert [level for level, _ in findings(empty, "client Gemini CLI")] == ["note"]
    for folder, kind in (
        (empty.root, "TRUST_FOLDER"),
        (empty.root.parent, "TRUST_FOLDER"),
        (empty.root.parent, "TRUST_PARENT"),
    ):
        put(home / ".gemini" / "trustedFolders.json", json.dumps({"/other": "TRUST_FOLDER", str(folder): kind}))
        assert [level for level, _ in findings(empty, "client Gemini CLI")] == ["ok"]


def run_fix(cli: Terminal, answer: str) -> None:
    """Each command after "fix: ", as it is written; "or" separates two ways, of which the last is taken."""
    for command in answer.partition("fix: ")[2].split(", or ")[-1].split(", then "):
        program, *words = command.split()
        assert program == "wfe-mcp", answer
        assert cli(*words, "--yes").code == 0, command


def test_the_fix_of_an_incomplete_entry_of_a_user_leaves_it_with_the_user(empty: Terminal) -> None:
    install(empty, client_named("claude-code"), "user")
    file = Path.home() / ".claude.json"
    put(file, file.read_text().replace('"alwaysLoad": true', '"mine": true'))
    ((level, answer),) = findings(empty, "client Claude Code")
    assert (level, "the entry lacks alwaysLoad; fix: " in answer) == ("note", True), answer
    run_fix(empty, answer)
    ((level, answer),) = findings(empty, "client Claude Code")
    assert level == "ok" and answer.startswith(str(file)), answer


def test_an_entry_of_the_user_is_the_fix_where_codex_does_not_trust_the_project(empty: Terminal) -> None:
    codex = client_named("codex")
    install(empty, codex, "project")
    ((level, answer),) = findings(empty, "client Codex")
    assert (level, NO_TRUST in answer) == ("note", True), answer
    run_fix(empty, answer)
    (first, second) = findings(empty, "client Codex")
    assert (first[0], second[0]) == ("ok", "ok")
    assert first[1].endswith("it does not trust this project; the entry in your own file serves it too")


def test_a_claude_code_that_has_the_plugin_is_connected(empty: Terminal) -> None:
    put(Path.home() / ".claude" / "settings.json", '{"enabledPlugins": {"wfe@wfe-mcp": false}}')
    assert findings(empty, "client Claude Code") == [
        ("note", "not connected; fix: wfe-mcp install --client claude-code")
    ]
    put(Path.home() / ".claude" / "settings.json", '{"enabledPlugins": {"wfe@wfe-mcp": true}}')
    assert findings(empty, "client Claude Code") == [("ok", "connected by its plugin wfe@wfe-mcp")]


@posix
def test_doctor_says_which_wfe_mcp_the_path_and_an_entry_name(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripts, other = Path(sys.executable).parent, tmp_path / "other" / "wfe-mcp"
    system = "/usr/bin:/bin"
    monkeypatch.setenv("PATH", system)
    ((level, message),) = findings(empty, "PATH")
    assert (level, message) == (
        "note",
        f"wfe-mcp is not found; fix: uv tool update-shell, then open a new terminal; until then: {scripts}/wfe-mcp",
    )
    put(other, "#!/bin/sh\necho wfe-mcp 0.0.1\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{system}")
    ((level, message),) = findings(empty, "PATH")
    assert level == "note" and f"wfe-mcp is {other}, not {scripts}/wfe-mcp, which runs now; fix: " in message
    put(empty.root / ".mcp.json", CLAUDE.replace("{0}", ""))
    ((level, message),) = findings(empty, "client Claude Code")
    is_said = f"is not this installation, {scripts}/wfe-mcp, and was not started: wfe-mcp serve" in message
    assert (level, is_said) == ("note", True)
    monkeypatch.setenv("PATH", f"{scripts}:{system}")
    assert findings(empty, "PATH") == [("ok", str(scripts / "wfe-mcp"))]
    assert [level for level, _ in findings(empty, "client Claude Code")] == ["ok"]
