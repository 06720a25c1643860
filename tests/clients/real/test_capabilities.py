"""What each real client declares when it connects, as docs/reference/mcp.md has it. None declares tasks."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import BUGGED, UNITTEST
from tests.fake_models.script import Turn
from tests.real_clients import REAL_CLIENTS, RealClient, connect, environment, program, prompt
from wfe_mcp.clients.look import client_named
from wfe_mcp.testing.playground import Playground

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "mcp.md"
OURS = str(Path(sys.executable).parent / "wfe-mcp")


@pytest.mark.skipif(sys.platform == "win32", reason="the recorder is a shell script")
@pytest.mark.parametrize("client", REAL_CLIENTS, ids=lambda client: client.name)
def test_the_page_has_what_the_client_declares_and_tasks_are_not_among_it(client: RealClient, tmp_path: Path) -> None:
    program(client.program)
    (folder := tmp_path / "play").mkdir()
    (home := tmp_path / "home").mkdir()
    (programs := tmp_path / "bin").mkdir()
    recorder, frames = programs / "wfe-mcp", tmp_path / "frames.jsonl"
    recorder.write_text(f'#!/bin/sh\ntee -a {shlex.quote(str(frames))} | {shlex.quote(OURS)} "$@"\n')
    recorder.chmod(0o755)
    with Playground(folder, files=BUGGED, checks={"test": UNITTEST}) as project:
        client.before(home, project.root)
        connect(client, project, home)
        for file in (each for each in home.rglob("*") if each.suffix in {".json", ".toml"} and not each.is_symlink()):
            file.write_text(file.read_text(encoding="utf-8").replace(OURS, str(recorder)), encoding="utf-8")
        path = environment(client, home, project.environment["WFE_DATABASE_URL"])["PATH"]
        done = prompt(client, project, home, lambda _: Turn(text="Done."), env={"PATH": f"{programs}:{path}"})
    assert frames.exists(), done.output
    first: dict[str, Any] = json.loads(frames.read_text(encoding="utf-8").splitlines()[0])
    protocol, version, declared = stated(first["params"])
    title = client_named(client.name).title
    row = f"| {title} | {version} | {protocol} | {', '.join(f'`{each}`' for each in sorted(declared))} |"
    assert row in PAGE.read_text(encoding="utf-8").splitlines()
    assert "tasks" not in json.dumps(declared)


def stated(params: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Protocol version, the client's version, its capabilities: of ``initialize``, or of a request of 2026-07-28."""
    if "protocolVersion" in params:
        return params["protocolVersion"], params["clientInfo"]["version"], params["capabilities"]
    about = {name.rpartition("/")[2]: value for name, value in params["_meta"].items()}
    return about["protocolVersion"], about["clientInfo"]["version"], about["clientCapabilities"]
