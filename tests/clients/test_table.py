"""Where each client's files lie, per platform, and what its entry holds."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from wfe_mcp.clients.look import client_named, is_installed
from wfe_mcp.clients.table import CLIENTS, TOOLS, Places

ROOT, HOME = Path("/srv/shop"), Path("/home/me")
WINDOWS = {"APPDATA": "/roaming/AppData/Roaming"}


def places(platform: str = "linux", **env: str) -> Places:
    return Places(ROOT, HOME, platform, env)


@pytest.mark.parametrize(
    ("platform", "env", "wanted"),
    [
        (
            "linux",
            {},
            {
                "claude-code": "/home/me/.claude.json",
                "codex": "/home/me/.codex/config.toml",
                "cursor": "/home/me/.cursor/mcp.json",
                "vscode": "/home/me/.config/Code/User/mcp.json",
                "gemini-cli": "/home/me/.gemini/settings.json",
                "opencode": "/home/me/.config/opencode/opencode.json",
                "goose": "/home/me/.config/goose/config.yaml",
                "zed": "/home/me/.config/zed/settings.json",
                "windsurf": "/home/me/.codeium/windsurf/mcp_config.json",
                "cline": "/home/me/.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                "cline-cli": "/home/me/.cline/data/settings/cline_mcp_settings.json",
            },
        ),
        (
            "darwin",
            {},
            {
                "vscode": "/home/me/Library/Application Support/Code/User/mcp.json",
                "cline": "/home/me/Library/Application Support/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                "goose": "/home/me/.config/goose/config.yaml",
                "zed": "/home/me/.config/zed/settings.json",
            },
        ),
        (
            "win32",
            WINDOWS,
            {
                "vscode": "/roaming/AppData/Roaming/Code/User/mcp.json",
                "zed": "/roaming/AppData/Roaming/Zed/settings.json",
                "goose": "/roaming/AppData/Roaming/Block/goose/config/config.yaml",
                "codex": "/home/me/.codex/config.toml",
            },
        ),
        ("win32", {}, {"zed": "/home/me/AppData/Roaming/Zed/settings.json"}),
        (
            "linux",
            {
                "XDG_CONFIG_HOME": "/x",
                "CODEX_HOME": "/c",
                "CLAUDE_CONFIG_DIR": "/d",
                "CLINE_MCP_SETTINGS_PATH": "/e.json",
            },
            {
                "opencode": "/x/opencode/opencode.json",
                "codex": "/c/config.toml",
                "claude-code": "/d/.claude.json",
                "cline-cli": "/e.json",
            },
        ),
    ],
)
def test_the_users_file_lies_where_the_client_reads_it(
    platform: str, env: dict[str, str], wanted: dict[str, str]
) -> None:
    at = places(platform, **env)
    assert {name: client_named(name).files(at, "user")[0].as_posix() for name in wanted} == wanted


def test_the_projects_file_lies_where_the_client_reads_it() -> None:
    found = {
        each.name: each.files(places(), "project")[0].relative_to(ROOT).as_posix() for each in CLIENTS if each.project
    }
    assert found == {
        "claude-code": ".mcp.json",
        "codex": ".codex/config.toml",
        "cursor": ".cursor/mcp.json",
        "vscode": ".vscode/mcp.json",
        "gemini-cli": ".gemini/settings.json",
        "opencode": "opencode.json",
        "zed": ".zed/settings.json",
    }


def test_what_makes_a_client_work_is_always_there_and_permission_only_when_asked_for() -> None:
    for client in CLIENTS:
        for shape in client.shapes:
            plain, allowed = (shape.entry(("wfe-mcp", "serve"), allow=allow) for allow in (False, True))
            assert {*allowed} - {*plain} == {*shape.allowed}
    codex = client_named("codex").shapes[0].entry(("wfe-mcp", "serve"), allow=True)
    assert codex == {
        "command": "wfe-mcp",
        "args": ["serve"],
        "required": True,
        "startup_timeout_sec": 30,
        "tool_timeout_sec": 120,
        "default_tools_approval_mode": "approve",
    }
    assert client_named("gemini-cli").shapes[0].entry(("wfe-mcp",), allow=True)["trust"] is True
    assert client_named("claude-code").shapes[0].entry(("wfe-mcp",), allow=False)["alwaysLoad"] is True


def test_the_tools_that_a_client_allows_one_by_one_are_those_of_the_server() -> None:
    front = json.loads(files("wfe_mcp").joinpath("server", "front.json").read_text())
    assert tuple(each["name"] for each in front["handshake"]["tools/list"]["tools"]) == TOOLS


def test_a_client_is_found_by_its_program_or_its_folder(tmp_path: Path) -> None:
    at = Places(ROOT, tmp_path, "linux", {"PATH": str(tmp_path / "bin")})
    assert not [each for each in CLIENTS if is_installed(each, at)]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "codex").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "codex").chmod(0o755)
    (tmp_path / ".codeium" / "windsurf").mkdir(parents=True)
    assert [each.name for each in CLIENTS if is_installed(each, at)] == ["codex", "windsurf"]
