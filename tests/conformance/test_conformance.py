"""The official conformance suite through the path that clients use: a real server process on stdio, bridged to HTTP."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts import real_clients
from tests.conformance.bridge import bridged
from tests.real_clients import program
from wfe_mcp.testing.playground import Playground

HERE = Path(__file__).parent
TABLE: dict[str, Any] = tomllib.loads((HERE / "scenarios.toml").read_text(encoding="utf-8"))
PATIENCE_S = 180


def suite(*arguments: str) -> str:
    """What the suite prints; an assertion error when it ends with a failure."""
    node = real_clients.node_for("conformance")
    env = {**os.environ, "PATH": os.pathsep.join([str(node), os.environ["PATH"]])}
    argv = [str(program("conformance")), *arguments]
    done = subprocess.run(
        argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    return done.stdout


def test_every_scenario_of_the_suite_is_played_or_has_a_reason() -> None:
    program("conformance")
    listed = {line.split()[1] for line in suite("list", "--server").splitlines() if line.startswith("  - ")}
    assert {*TABLE["product"], *TABLE["fixture"], *TABLE["not_applicable"]} == listed
    assert len(listed) == len(TABLE["product"]) + len(TABLE["fixture"]) + len(TABLE["not_applicable"])


def play(name: str, argv: list[str], tmp_path: Path) -> None:
    program("conformance")
    (folder := tmp_path / "play").mkdir()
    with (
        Playground(folder, files={"a.txt": "a"}) as project,
        bridged([sys.executable, *argv, str(project.root)], project.root, project.environment) as url,
    ):
        out = suite("server", "--url", url, "--scenario", name, "--output-dir", str(tmp_path / "out"))
    checks = [file for file in (tmp_path / "out").rglob("checks.json") if '"status": "SUCCESS"' in file.read_text()]
    assert checks, out[-3_000:]


@pytest.mark.parametrize("name", TABLE["product"])
def test_the_product_passes_a_scenario(name: str, tmp_path: Path) -> None:
    play(name, ["-m", "wfe_mcp", "serve", "--project"], tmp_path)


@pytest.mark.parametrize("name", TABLE["fixture"])
def test_the_product_with_the_names_of_the_suite_passes_a_scenario(name: str, tmp_path: Path) -> None:
    play(name, [str(HERE / "fixture_server.py")], tmp_path)
