"""A run that lacks a credential, in a real browser: the inbox names the command, and the line is gone once it is stored."""

import json
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.dashboard.test_application import Visit, to, visit as visit
from tests.engine.scene import HUMAN, Scene, command, phase
from tests.engine.step_scene import configure
from wfe_mcp.engine.credentials.stored import add_credential


def test_what_waits_for_a_credential_is_in_the_inbox_and_gone_once_it_is_stored(
    scene: Scene, visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    argv = json.dumps([sys.executable, "-S", "-c", "pass"])
    configure(scene, "[checks.publish]", f"argv = {argv}", 'credentials = { npm = "NPM" }')
    run = scene.start(phase("ship", command("publish")))
    scene.do(run, "ship")
    shown = visit()
    expect(shown.locator("main")).to_contain_text("ship waits for a credential")
    expect(shown.locator("main")).to_contain_text("wfe-mcp credential add npm")
    to(shown, f"/runs/{run}")
    expect(shown.locator("main")).to_contain_text(f"wfe-mcp watch {run}")
    add_credential(scene.engine, HUMAN, "npm", "token", {"token": "npm-canary-0123456789"}, kept_in="stored")
    scene.status(run)
    scene.work()
    expect(shown.locator("main")).to_contain_text(f"wfe-mcp show {run}")
    to(shown, "/inbox")
    expect(shown.locator("main")).not_to_contain_text("waits for a credential")
