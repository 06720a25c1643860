"""The command that is written into a client's file."""

import sys
from pathlib import Path

import pytest

from wfe_mcp import __version__
from wfe_mcp.clients.launch import By, Installation, command, is_ours, source, this_installation
from wfe_mcp.clients.table import Scope


def installation(folder: Path, source: str = "", platform: str = "linux") -> Installation:
    scripts = folder / "bin"
    scripts.mkdir(parents=True, exist_ok=True)
    for name in ("wfe-mcp", "wfe-mcp.exe"):
        (scripts / name).write_text("#!/bin/sh\n")
        (scripts / name).chmod(0o755)
    return Installation(folder, scripts, "/usr/bin/python3", source, platform)


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    """An installation in an environment of its own, which PATH finds through a link."""
    found = installation(tmp_path / "tools" / "wfe-mcp")
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "wfe-mcp").symlink_to(found.program)
    return found


@pytest.mark.parametrize(
    ("scope", "by", "named", "wanted"),
    [
        ("project", "auto", True, "wfe-mcp"),
        ("user", "auto", True, "{0}/local/wfe-mcp"),
        ("project", "path", True, "{0}/local/wfe-mcp"),
        ("project", "auto", False, "{0}/tools/wfe-mcp/bin/wfe-mcp"),
        ("user", "name", False, "wfe-mcp"),
    ],
)
def test_a_shared_file_has_the_name_where_it_finds_this_installation_and_others_the_path(
    here: Installation, tmp_path: Path, scope: Scope, by: By, named: bool, wanted: str
) -> None:
    env = {"PATH": str(tmp_path / ("local" if named else "nowhere"))}
    assert command(here, env, scope, by) == (wanted.format(tmp_path), "serve")


def test_another_installation_of_that_name_is_not_taken_for_this_one(here: Installation, tmp_path: Path) -> None:
    other = installation(tmp_path / "other")
    assert command(here, {"PATH": str(other.scripts)}, "project") == (str(here.program), "serve")


@pytest.mark.parametrize(
    ("came_from", "wanted"),
    [
        ("git+https://example.org/wfe.git", ("--from", "git+https://example.org/wfe.git", "wfe-mcp")),
        ("", (f"wfe-mcp@{__version__}",)),
    ],
)
def test_what_lies_in_a_cache_is_started_by_uvx(tmp_path: Path, came_from: str, wanted: tuple[str, ...]) -> None:
    cached = installation(tmp_path / "uv" / "archive-v0" / "x1", came_from)
    assert command(cached, {}, "user") == ("uvx", *wanted, "serve")
    assert command(cached, {}, "user", "path") == (str(cached.program), "serve")
    assert command(installation(tmp_path / "kept", came_from), {}, "project", "uvx") == ("uvx", *wanted, "serve")


def test_without_a_program_the_module_is_started(tmp_path: Path) -> None:
    bare = Installation(tmp_path, tmp_path / "bin", "/usr/bin/python3", "", "linux")
    assert command(bare, {}, "user") == ("/usr/bin/python3", "-P", "-m", "wfe_mcp", "serve")


def test_the_program_of_windows_ends_with_exe(tmp_path: Path) -> None:
    assert command(installation(tmp_path, platform="win32"), {}, "user")[0].endswith("wfe-mcp.exe")


def test_the_installation_that_runs_is_that_of_this_python() -> None:
    found = this_installation()
    assert (found.executable, found.prefix) == (sys.executable, Path(sys.prefix))
    source = Path(found.source)
    assert (source / "pyproject.toml").is_file() or source.suffix == ".whl", "a checkout, or the wheel that is tried"


@pytest.mark.parametrize(
    ("direct_url", "wanted"),
    [
        (None, ""),
        (
            '{"url": "https://example.org/wfe.git", "vcs_info": {"vcs": "git", "commit_id": "c8ff8d7"}}',
            "git+https://example.org/wfe.git@c8ff8d7",
        ),
        ('{"url": "file:///srv/my%20wfe", "dir_info": {}}', str(Path("/srv/my wfe"))),
        ('{"url": "https://example.org/wfe.whl", "archive_info": {}}', "https://example.org/wfe.whl"),
    ],
)
def test_uvx_gets_what_was_installed(direct_url: str | None, wanted: str) -> None:
    assert source(direct_url) == wanted


@pytest.mark.parametrize(
    ("argv", "ours"),
    [
        (("wfe-mcp", "serve"), True),
        (("C:\\Users\\ada\\wfe-mcp.exe", "serve"), True),
        (("uvx", "--from", "git+https://example.org/x.git", "wfe-mcp", "serve"), True),
        (("uvx", "wfe-mcp@0.1.0", "serve"), True),
        (("python3", "-m", "wfe_mcp", "serve", "--project", "."), True),
        (("wfe-mcp",), True),
        (("wfe-mcp", "status"), False),
        (("uvx", "--from", "serve"), False),
        (("node", "wfe.js", "serve"), False),
        ((), False),
    ],
)
def test_a_command_is_ours_when_it_starts_the_server_of_wfe_mcp(argv: tuple[str, ...], ours: bool) -> None:
    assert is_ours(argv) is ours
