"""The checks of a pull request are read at its head, over REST and through the person's command line."""

from pathlib import Path

import pytest

from tests.delivery.conftest import Clone
from tests.delivery.test_forges import KINDS, forge_by, opened, rest
from wfe_mcp.delivery.forges.protocol import Change


def run_of(name: str, status: str, conclusion: str | None = None) -> dict[str, object]:
    return {"name": name, "status": status, "conclusion": conclusion}


CHECKS: dict[str, tuple[str, str, list[dict[str, object]], list[tuple[str, str]]]] = {
    "none": ("none", "", [], []),
    "running": (
        "running",
        "",
        [run_of("a", "completed", "success"), run_of("b", "queued")],
        [("success", "x"), ("running", "y")],
    ),
    "failed": (
        "failed",
        "",
        [run_of("a", "completed", "failure"), run_of("b", "in_progress")],
        [("failed", "x"), ("running", "y")],
    ),
    "passed": (
        "passed",
        "",
        [run_of("a", "completed", "success"), run_of("b", "completed", "skipped")],
        [("success", "x")],
    ),
    "the newest of a ref counts": (
        "passed",
        "",
        [run_of("a", "completed", "success")],
        [("success", "x"), ("failed", "x")],
    ),
    "a state that no check run explains": ("running", "unstable", [], [("pending", "x")]),
}


@pytest.mark.requirement("S3-20")
@pytest.mark.parametrize("case", CHECKS)
@pytest.mark.parametrize(("name", "way"), KINDS)
def test_the_checks_at_its_head_are_read_whatever_the_forge_lets_be_merged(
    clone: Clone, change: Change, tmp_path: Path, name: str, way: str, case: str
) -> None:
    forge = forge_by(clone, tmp_path, name, way)
    opened(forge, change)
    found, word, runs, pipelines = CHECKS[case]
    clone.forge.word = word if name == "github" else ""
    clone.forge.checks = runs
    other = {"sha": "0" * 40, "ref": "x", "status": "failed"}
    clone.forge.pipelines = [other, *({"sha": change.head, "ref": ref, "status": status} for status, ref in pipelines)]
    pull = forge.get(1)
    assert (pull.checks, pull.merge) == (found, "yes")
    forge.close(1)
    assert forge.get(1).checks == "none"


@pytest.mark.parametrize(("word", "found"), [("ci_must_pass", "failed"), ("ci_still_running", "running")])
def test_gitlabs_own_word_counts_where_no_pipeline_of_that_commit_is_listed(
    clone: Clone, change: Change, word: str, found: str
) -> None:
    forge = rest(clone.forge, "gitlab")
    opened(forge, change)
    clone.forge.word = word
    assert forge.get(1).checks == found
