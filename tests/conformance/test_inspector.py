"""The Inspector's command line against a real server, in both protocol eras."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from scripts import real_clients
from tests.real_clients import program
from wfe_mcp.testing.playground import Playground

ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])
PATIENCE_S = 180
ASKED = (
    ("resources/list", (), "resources"),
    ("resources/templates/list", (), "resourceTemplates"),
    ("resources/read", ("--uri", "wfe://project"), "contents"),
    ("prompts/list", (), "prompts"),
    ("prompts/get", ("--prompt-name", "handoff"), "messages"),
    ("tools/call", ("--tool-name", "status"), "structuredContent"),
)
PLAYED = {"resources/list", "prompts/list"}
"""What the conformance suite asks the product for in the older era (scenarios.toml)."""


@pytest.fixture
def project(tmp_path: Path) -> Generator[Playground]:
    program("inspector")
    (tmp_path / "play").mkdir()
    with Playground(tmp_path / "play", files={"a.txt": "a"}) as made:
        yield made


def inspected(project: Playground, era: str, method: str, *options: str) -> subprocess.CompletedProcess[str]:
    """What the Inspector says of one request to a server of its own."""
    node = real_clients.node_for("inspector")
    home = {"HOME": str(project.folder), "PATH": os.pathsep.join([str(node), os.environ["PATH"]])}
    server = [sys.executable, "-m", "wfe_mcp", "serve", "--project", str(project.root)]
    own = ("WFE_DATABASE_URL", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    given = [word for name in own for word in ("-e", f"{name}={project.environment[name]}")]
    argv = [str(program("inspector")), "--cli", *server, *given, "--method", method, "--format", "json", "-q"]
    return subprocess.run(
        [*argv, "--protocol-era", era, *options],
        cwd=project.root,
        env={**os.environ, **home},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@ERAS
def test_the_schemas_of_the_tools_are_portable_in_the_strict_view_of_the_inspector(
    project: Playground, era: str
) -> None:
    done = inspected(project, era, "tools/list", "--strict")
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert len(result(done)["tools"]) == 16


@ERAS
def test_the_inspector_reads_everything_that_the_server_offers(project: Playground, era: str) -> None:
    for method, options, key in ASKED:
        if era == "legacy" and method in PLAYED:
            continue
        done = inspected(project, era, method, *options)
        assert done.returncode == 0, (method, done.stderr)
        assert result(done)[key], method


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The result in the Inspector's answer."""
    output: dict[str, Any] = json.loads(done.stdout)
    return output.get("result", output)
