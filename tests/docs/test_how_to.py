"""Every how-to page's task succeeds with the commands on the page."""

from __future__ import annotations

import json
import os
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from tests.docs.conftest import ROOT, Reader, blocks_of
from tests.fake_models.process import models_running
from tests.postgres import Cluster
from wfe_mcp.server.tools import tools
from wfe_mcp.views.moves.envelope import ENVELOPE_SCHEMA
from wfe_mcp.workflow.model.gates import Gate
from wfe_mcp.workspace.config.settings_tables import Settings

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = {
    "docs/contributing/recipes.md",
    "docs/how-to/extend-with-a-package.md",
    "docs/how-to/test-your-template.md",
    "docs/how-to/write-your-own-template.md",
}
"""Executed or held against by tests/testing/test_template_howto.py, test_write_template.py, test_extend.py and
tests/house/test_recipes.py."""


EXECUTED = (
    "add-a-check",
    "attach-files",
    "come-from-another-tool",
    "back-up-and-clean-up",
    "connect-a-client",
    "approve-beforehand",
    "decide-in-the-browser",
    "find-what-was-said",
    "hand-over-context",
    "hand-over",
    "hand-over-standards",
    "hooks-and-the-plugin",
    "import-a-workflow",
    "live-with-it",
    "move-a-project",
    "move-a-run",
    "deliver-a-change",
    "work-through-milestones",
    "keep-work-items",
    "back-a-claim-with-tests",
    "name-and-list-runs",
    "operate-a-server",
    "look-back-and-compare",
    "recover-after-a-crash",
    "require-a-passkey",
    "roll-back-and-undo",
    "template-versions",
    "use-the-dashboard",
    "use-the-http-api",
    "verify-a-run",
    "what-a-project-is",
    "when-a-gate-says-no",
    "run-checks-on-a-runner",
    "work-over-http",
)


@pytest.mark.parametrize("page", EXECUTED)
def test_the_task_is_done_as_documented(reader: Reader, root: Path, page: str) -> None:
    answer = reader.follow(root / f"docs/how-to/{page}.md")

    assert len(answer) >= 3


def test_a_database_moves_to_postgresql_and_back_as_documented(
    reader: Reader, root: Path, postgres: Cluster, postgres_url: str
) -> None:
    done = reader.run("git", "init", "-q")
    assert done.returncode == 0, done
    done = reader.run("wfe-mcp", "init", "--yes")
    assert done.returncode == 0, done
    path = os.pathsep.join([reader.environment["PATH"], str(postgres.programs)])
    reader.environment.update(TEAM=postgres_url.replace("+psycopg", ""), PATH=path)

    answer = reader.follow(root / "docs/how-to/use-postgresql.md")

    assert len(answer) >= 4


def test_jobs_are_watched_and_cancelled_as_documented(real_reader: Reader, root: Path) -> None:
    # The real program: the page ends its worker after a command that must take longer than the worker's start.
    answer = real_reader.follow(root / "docs/how-to/watch-and-cancel-jobs.md")

    assert len(answer) >= 4


def test_a_second_model_is_added_as_documented(reader: Reader, root: Path) -> None:
    with models_running(models=("qwen3-coder",)) as models:
        with_models = Reader(reader.folder, reader.environment | {"MODELS": models.v1})
        answer = with_models.follow(root / "docs/how-to/add-a-second-model.md")
        assert models.count == 2, "the page says how many calls a test is"

    assert len(answer) == 6


def test_a_model_works_as_documented(reader: Reader, root: Path) -> None:
    note: dict[str, Any] = {"front": {}, "body": "app.py holds a value."}
    script: dict[str, list[dict[str, Any]]] = {
        "qwen3-coder": [{"calls": [{"name": "read", "given": {"path": "app.py"}}]}, {"value": note}]
    }
    with models_running(script, models=("qwen3-coder",)) as models:
        with_models = Reader(reader.folder, reader.environment | {"MODELS": models.v1})
        answer = with_models.follow(root / "docs/how-to/let-a-model-work.md")
        assert models.count == 2

    assert len(answer) == 4


def test_a_budget_is_set_reached_and_raised_as_documented(reader: Reader, root: Path) -> None:
    answer: dict[str, Any] = {"verdict": "pass", "summary": "Each can", "findings": []}
    with models_running({"qwen3-coder": [{"value": answer}]}, models=("qwen3-coder",)) as models:
        with_models = Reader(reader.folder, reader.environment | {"MODELS": models.v1})
        result = with_models.follow(root / "docs/how-to/set-a-budget.md")
        assert models.count == 1, "the capped call was not made"

    assert len(result) == 4


OPINIONS: list[dict[str, Any]] = [
    {
        "verdict": "concerns",
        "summary": "Enough for one process",
        "findings": [
            {
                "severity": "medium",
                "title": "A second process takes no notice of it",
                "file": "src/store.py",
                "line": 12,
                "recommendation": "Lock the file",
            }
        ],
    },
    {
        "verdict": "fail",
        "summary": "Two things in one step",
        "findings": [{"severity": "high", "title": "Step S-1 is all there is", "recommendation": "Make two of it"}],
    },
]


def test_a_second_opinion_is_asked_read_and_overruled_as_documented(reader: Reader, root: Path) -> None:
    script = {"qwen3-coder": [{"value": each} for each in OPINIONS]}
    with models_running(script, models=("qwen3-coder",)) as models:
        with_models = Reader(reader.folder, reader.environment | {"MODELS": models.v1})
        answer = with_models.follow(root / "docs/how-to/get-a-second-opinion.md")
        assert models.count == 2
        assert "Can each step be done alone?" in str(models.asked[1]["body"])

    assert len(answer) == 5


@pytest.mark.parametrize(
    "block",
    [
        block
        for page in ("add-a-second-model", "get-a-second-opinion")
        for block in blocks_of(ROOT / f"docs/how-to/{page}.md")
    ],
    ids=lambda block: block.place,
)
def test_what_the_pages_on_models_show_is_valid(block: Any) -> None:
    if block.language == "toml":
        Settings.model_validate(tomllib.loads(block.text))
    elif block.language == "json":
        shown: dict[str, Any] = json.loads(block.text)
        gate: Any = TypeAdapter(Gate).validate_python(shown | {"criteria": "the text of that file"})
        assert gate.quorum == len(gate.reviewers)


def test_each_block_of_the_documentation_has_a_reader(root: Path) -> None:
    executed = {
        "first-run.md",
        "claude-code.md",
        "check-who-decided.md",
        "add-a-second-model.md",
        "get-a-second-opinion.md",
        "let-a-model-work.md",
        "set-a-budget.md",
        "check-what-is-on-main.md",
        "watch-and-cancel-jobs.md",
        "use-postgresql.md",
        *(f"{page}.md" for page in EXECUTED),
    }
    languages = {
        (page.name, block.language)
        for page in sorted((root / "docs").rglob("*.md"))
        if str(page.relative_to(root)) not in ELSEWHERE
        for block in blocks_of(page)
    }

    assert {language for _, language in languages} <= {
        "sh",
        "text",
        "console",
        "json",
        "toml",
        "python",
        "yaml",
        "sql",
    }  # sql: tests/store/postgres
    assert {name for name, language in languages if language == "sh"} == executed


@pytest.mark.parametrize("block", blocks_of(ROOT / "docs/how-to/add-a-check.md"), ids=lambda block: block.place)
def test_what_the_page_on_checks_shows_is_valid(block: Any) -> None:
    match block.language:
        case "toml":
            assert Settings.model_validate(tomllib.loads(block.text)).checks
        case "json":
            gate: Any = TypeAdapter(Gate).validate_python(json.loads(block.text))
            assert gate.kind == "command"
        case _:
            assert block.language in {"sh", "text"}


@pytest.mark.parametrize("page", ["set-a-budget", "watch-and-cancel-jobs"])
def test_what_the_pages_on_limits_set_is_valid(root: Path, page: str) -> None:
    shown = [block for block in blocks_of(root / f"docs/how-to/{page}.md") if block.language == "toml"]

    assert [Settings.model_validate(tomllib.loads(block.text)) for block in shown]


def test_the_answer_that_the_agent_sees_is_an_envelope_of_calls_that_exist(root: Path) -> None:
    shown = [block for block in blocks_of(root / "docs/how-to/when-a-gate-says-no.md") if block.language == "json"]
    envelope: dict[str, Any] = json.loads(shown[0].text)

    assert set(envelope) <= set(ENVELOPE_SCHEMA["properties"])
    assert envelope["error"]["code"] == "gate_failed"
    assert {move["tool"] for move in envelope["next"]} <= set(tools())
