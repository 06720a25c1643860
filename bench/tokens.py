"""Measures the tokens that a model reads from wfe-mcp."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from wfe_mcp.engine.factory import create_engine

if TYPE_CHECKING:
    from bench.scene import Scene, Server


def measure(scene: Scene) -> list[Figure]:
    """The tool list as a model sees it, brief status, and a whole successful quick_fix in calls and tokens."""
    if find_spec("rs_bpe") is None:
        return [Figure("no tokenizer is built for this Python: no tokens are counted", 0, "")]
    with scene.server() as server:
        server.hello()
        listed = server.ask("tools/list", {})["tools"]
        seen = [{key: tool[key] for key in ("name", "description", "inputSchema")} for tool in listed]
        answers = drive_quick_fix(scene, server)
    status = next(answer for tool, answer in answers if tool == "status")
    texts = [answer["content"][0]["text"] for _, answer in answers]
    return [
        Figure(f"tool list, {len(seen)} tools", count_tokens(json.dumps(seen, separators=(",", ":"))), "tokens", 2_500),
        Figure("brief status", count_tokens(status["content"][0]["text"]), "tokens", 400),
        Figure("happy quick_fix, calls", len(answers), "calls", 9),
        Figure("happy quick_fix, our answers as text", sum(count_tokens(text) for text in texts), "tokens", 6_000),
        Figure(
            "happy quick_fix, our answers as structured content",
            sum(count_tokens(json.dumps(answer["structuredContent"], separators=(",", ":"))) for _, answer in answers),
            "tokens",
            6_000,
        ),
    ]


def count_tokens(text: str) -> int:
    """Tokens of the o200k vocabulary, counted offline."""
    from rs_bpe import openai  # pyright: ignore[reportUnknownVariableType] - it has no type information

    return len(openai.o200k_base().encode(text))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def drive_quick_fix(scene: Scene, server: Server) -> list[tuple[str, dict[str, Any]]]:
    """A successful quick_fix with a person who approves: every call and its answer."""
    _prepare(scene)
    told: list[tuple[str, dict[str, Any]]] = []

    def call(tool: str, **arguments: Any) -> dict[str, Any]:
        answer = server.call(tool, **arguments)
        told.append((tool, answer))
        return answer["structuredContent"]

    call("status")
    run = call("start_run", template="quick_fix", inputs={"problem": "add() subtracts its arguments"})["run"]
    call("start_phase", run=run)
    (scene.root / "tests" / "test_calc.py").write_text(
        "import unittest\nfrom calc import add\n\nclass T(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n",
        encoding="utf-8",
    )
    found = {
        "test": "tests.test_calc.T.test_add",
        "file": "tests/test_calc.py",
        "why": "add() subtracts",
        "expected": "3",
        "actual": "-1",
    }
    call("submit_artifact", run=run, phase="reproduce", artifact=found)
    call("start_phase", run=run)
    (scene.root / "calc.py").write_text("def add(a, b):\n    return a + b\n", encoding="utf-8")
    call("submit_artifact", run=run, phase="fix", artifact={"summary": "add() adds", "files": ["calc.py"]})
    call("approve", run=run, phase="fix")
    _decide(scene, run)
    last = call("status", run=run)
    assert last["run_state"] == "completed", last
    return told


def _prepare(scene: Scene) -> None:
    """A small project under git with a trusted check."""
    from wfe_mcp.core.model import Assurance, By, Channel
    from wfe_mcp.engine.templates.trust import give_trust

    root = scene.root
    (root / "tests").mkdir(exist_ok=True)
    (root / "tests" / "__init__.py").touch()
    (root / "calc.py").write_text("def add(a, b):\n    return a - b\n", encoding="utf-8")
    argv = json.dumps([sys.executable, "-m", "unittest"])
    (root / ".wfe" / "config.toml").write_text(f"[checks.test]\nargv = {argv}\n", encoding="utf-8")
    for words in (["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=root, check=True, env=scene.environment)
    engine = _engine(scene)
    give_trust(engine, By("bench", Channel.CLI, Assurance.HUMAN), [])
    engine.close()


def _decide(scene: Scene, run: str) -> None:
    from wfe_mcp.core.model import Assurance, By, Channel
    from wfe_mcp.engine.approvals import decide as approvals

    engine = _engine(scene)
    approvals.decide(engine, By("bench", Channel.CLI, Assurance.HUMAN), run, "fix")
    engine.close()


def _engine(scene: Scene) -> Any:
    from wfe_mcp.workspace.system.location import project_at

    return create_engine(project_at(scene.root), environment=scene.environment)
