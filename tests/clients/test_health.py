"""Findings that depend on the installation, which tests cannot change."""

from pathlib import Path

from wfe_mcp.clients.health import path_finding
from wfe_mcp.clients.launch import Installation
from wfe_mcp.clients.table import Places
from wfe_mcp.core.findings import HealthFinding


def test_an_installation_in_uvs_cache_need_not_be_on_path(tmp_path: Path) -> None:
    cached = tmp_path / "archive-v0" / "x1"
    here = Installation(cached, cached / "bin", "/usr/bin/python3", "", "linux")
    found = path_finding(here, Places(tmp_path, tmp_path, "linux", {"PATH": ""}))
    assert found == HealthFinding("PATH", "ok", "wfe-mcp is started by uvx; to install it: uv tool install")
