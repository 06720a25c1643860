"""What a check is found by says what it runs: a change of it is named at an approval."""

import pytest

from wfe_mcp.core.units import words
from wfe_mcp.workspace.discovery.check_table import ROWS
from wfe_mcp.workspace.discovery.project_listing import Folder, Listing
from wfe_mcp.workspace.git.watched import defines_checks, is_test

SUBJECTS = {"*.py", "*.js", "requirements.txt", "package-lock.json", "bun.lock", "bun.lockb"}
"""What checks look at, and what tools write."""


def test_a_file_by_which_a_check_is_found_is_one_that_defines_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set[str]()

    def record(_: Folder, *patterns: str) -> bool:
        names.update(patterns)
        return True

    monkeypatch.setattr(Folder, "has", record)
    listing = Listing({"": frozenset()}, lambda _: "", lambda _: False, lambda _: False, lambda _: False, windows=False)
    for row in ROWS:
        row.where(Folder(listing, ""))
    assert {"ruff.toml", "mypy.ini", ".golangci.*", "phpstan.neon", "*.csproj"} <= names
    assert [name for name in sorted(names - SUBJECTS) if not defines_checks(name.replace("*", "js"))] == []


@pytest.mark.parametrize(
    "path",
    words(
        """
        .gitlab-ci.yml .gitlab/ci/test.yml .circleci/config.yml .forgejo/workflows/test.yaml .gitea/workflows/test.yml
        .github/actions/test/action.yml azure-pipelines.yml bitbucket-pipelines.yml Jenkinsfile .travis.yml .woodpecker/test.yml
        .drone.yml .buildkite/pipeline.yml .github/CODEOWNERS .pre-commit-config.yaml lefthook.yml .husky/pre-push
        """
    ),
)
@pytest.mark.attack("a run changes what the forge runs, or who must review there", "detected", "T15")
def test_what_a_forge_or_a_hook_runs_defines_checks(path: str) -> None:
    assert defines_checks(path)


@pytest.mark.parametrize(
    "path",
    words(
        """
        shop/tests.py src/parser/tests.rs test.js lib/test-sums.mjs lib/sums-test.ts Shop.Tests/CartTests.cs src/CartTests.swift
        src/CartTest.java src/androidTest/java/Cart.kt src/CartSpec.scala spec/support/cart.rb t/cart.t features/cart.feature e2e/cart.ts
        """
    ),
)
@pytest.mark.attack("a test whose name few runners use is changed", "detected", "T15")
def test_tests_are_known_by_the_names_that_their_runners_use(path: str) -> None:
    assert defines_checks(path) and is_test(path)


@pytest.mark.parametrize(
    "path",
    words("shop/test.css latest.py src/contest.py spec/openapi.yaml docs/testing.md attest.rs src/CartTester.java"),
)
def test_other_names_are_no_tests(path: str) -> None:
    assert not defines_checks(path)
