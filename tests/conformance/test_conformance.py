"""The official conformance suite through the path that clients use: a real server process on stdio, bridged to HTTP."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts import real_clients
from tests.conformance.bridge import bridged
from tests.real_clients import program
from wfe_mcp.testing.playground import Playground

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FIXTURE = "import sys, wfe_mcp; from tests.conformance.fixture_server import main; sys.exit(main(sys.argv[1]))"
TABLE: dict[str, Any] = tomllib.loads((HERE / "scenarios.toml").read_text(encoding="utf-8"))
PATIENCE_S = 180


def suite(*arguments: str, may_fail: bool = False) -> str:
    """What the suite prints; an assertion error when it ends with a failure, unless it ``may_fail``."""
    node = real_clients.node_for("conformance")
    env = {**os.environ, "PATH": os.pathsep.join([str(node), os.environ["PATH"]])}
    argv = [str(program("conformance")), *arguments]
    done = subprocess.run(
        argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert may_fail or done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    return done.stdout


def test_every_scenario_of_the_suite_is_played_or_has_a_reason() -> None:
    program("conformance")
    listed = {line.split()[1] for line in suite("list", "--server").splitlines() if line.startswith("  - ")}
    assert {*TABLE["product"], *TABLE["fixture"], *TABLE["not_applicable"]} == listed
    assert len(listed) == len(TABLE["product"]) + len(TABLE["fixture"]) + len(TABLE["not_applicable"])


@contextmanager
def address(argv: list[str], folder: Path) -> Generator[str]:
    """Where the suite finds the server of a project; each of its scenarios gets a process of its own."""
    folder.mkdir()
    with (
        Playground(folder, files={"a.txt": "a"}, environment={"PYTHONPATH": str(ROOT)}) as project,
        bridged([sys.executable, *argv, str(project.root)], project.root, project.environment) as url,
    ):
        yield url


def statuses(folder: Path, name: str) -> set[str]:
    """How the checks of a scenario ended."""
    (found,) = folder.glob(f"server-{name}-2*/checks.json")
    return {check["status"] for check in json.loads(found.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", TABLE["product"])
def test_the_product_passes_a_scenario(name: str, tmp_path: Path) -> None:
    program("conformance")
    with address(["-m", "wfe_mcp", "serve", "--project"], tmp_path / "play") as url:
        suite("server", "--url", url, "--scenario", name, "--output-dir", str(tmp_path / "out"))
    assert "SUCCESS" in statuses(tmp_path / "out", name)


@pytest.fixture(scope="module")
def whole_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the suite wrote of all its scenarios, one after the other; those with a reason may fail."""
    program("conformance")
    folder = tmp_path_factory.mktemp("suite")
    with address(["-c", FIXTURE], folder / "play") as url:
        suite("server", "--url", url, "--suite", "all", "--output-dir", str(folder / "out"), may_fail=True)
    return folder / "out"


@pytest.mark.parametrize("name", TABLE["fixture"])
def test_the_product_with_the_names_of_the_suite_passes_a_scenario(name: str, whole_suite: Path) -> None:
    assert statuses(whole_suite, name) == {"SUCCESS"}
