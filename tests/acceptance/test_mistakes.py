"""Twelve mistakes in one template are reported at once: place, reason and likely intention."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import MakePlayground

TWELVE: dict[str, Any] = {
    "format": "wfe/1",
    "name": "twelve",
    "version": "1.0.0",
    "inputs": {"type": "object", "properties": {"goal": {"type": "string"}}},
    "roles": {"reviewer": {"description": "Judges"}},
    "limits": {"max_iteration": 3},
    "phases": [
        {
            "id": "plan",
            "promt": "Plan it.",
            "prompt": "Plan this: ${inputs.gaol}",
            "output": {"artifact": "plan", "schema": "paln@1"},
            "gates": [
                {"kind": "expr", "assert": "${size(artifacts.plna.steps) > 0}"},
                {"kind": "comand", "check": "test"},
            ],
        },
        {
            "id": "build",
            "role": "reviwer",
            "needs": ["paln"],
            "prompt": "Build it.",
            "output": {"artifact": "change", "schema": "change@1"},
            "on_fail": [{"do": "rety", "max_attempts": 3}],
        },
        {
            "id": "review",
            "prompt": "Review ${artifacts.change.summary}",
            "output": {"artifact": "review", "schema": "review@1"},
            "gates": [{"kind": "approval", "assurance": "humna"}],
            "next": [{"if": "${artifacts.review.verdit == 'pass'}", "goto": "$complete"}, {"goto": "biuld", "max": 2}],
        },
    ],
}

MISTAKES = {
    "/limits/max_iteration": ("unknown key 'max_iteration'", "max_iterations"),
    "/phases/0/gates/0/assert": ("unknown name 'artifacts.plna'", "artifacts.plan"),
    "/phases/0/gates/1/kind": ("unknown kind 'comand'", "command"),
    "/phases/0/output/schema": ("no schema is named 'paln@1'", "plan@1"),
    "/phases/0/prompt": ("unknown name 'inputs.gaol'", "inputs.goal"),
    "/phases/0/promt": ("unknown key 'promt'", "prompt"),
    "/phases/1/needs/0": ("unknown phase 'paln'", "plan"),
    "/phases/1/on_fail/0/do": ("unknown do 'rety'", "retry"),
    "/phases/1/role": ("unknown role 'reviwer'", "reviewer"),
    "/phases/2/gates/0/assurance": ("not 'humna'", "human"),
    "/phases/2/next/0/if": ("unknown name 'artifacts.review.verdit'", "artifacts.review.verdict"),
    "/phases/2/next/1/goto": ("unknown phase 'biuld'", "build"),
}
"""Pointer → the reason, and the name that was meant."""


def reported_exactly(errors: list[dict[str, Any]]) -> None:
    assert [error["path"] for error in errors] == list(MISTAKES)
    for error in errors:
        reason, meant = MISTAKES[error["path"]]
        assert reason in error["message"]
        assert f"did you mean '{meant}'?" in error["message"]


def test_twelve_planted_mistakes_are_twelve_errors_of_lint(play: MakePlayground, tmp_path: Path) -> None:
    file = tmp_path / "twelve.json"
    file.write_text(json.dumps(TWELVE), encoding="utf-8")
    words = [sys.executable, "-m", "wfe_mcp", "templates", "lint", str(file), "--json"]
    playground = play(checks={"test": [sys.executable, "-c", ""]})
    done = subprocess.run(
        words,
        cwd=playground.root,
        env=playground.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )

    assert done.returncode == 1, done
    assert len(MISTAKES) == 12
    output = json.loads(done.stdout)
    assert not output["ok"]
    reported_exactly(output["errors"])


def test_twelve_planted_mistakes_are_twelve_details_of_save_template(play: MakePlayground) -> None:
    with play(checks={"test": [sys.executable, "-c", ""]}).agent() as agent:
        answer = agent.call("save_template", definition=TWELVE)
        listed = agent.call("list_templates", query="twelve")

    assert answer["error"]["code"] == "invalid_template"
    reported_exactly(answer["error"]["details"])
    assert listed["data"]["templates"] == [], "nothing was kept"
