"""Commands that depend on how a manager is used: environments of hatch, workspaces of cargo, a target that makes everything."""

import pytest

from tests.workspace.discovery.test_found_checks import commands, tree
from wfe_mcp.workspace.discovery.found_checks import found_checks

CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "hatch, whose own environments have the tools": (
        {"hatch.toml": "[envs.default]\n", "tests/conftest.py": "", "pyproject.toml": "[tool.ruff]\n[tool.mypy]\n"},
        {"test": "hatch test", "lint": "hatch fmt --check"},
    ),
    "hatch, whose default environment has the tools": (
        {
            "pyproject.toml": "[tool.hatch.envs.default]\ndependencies = ['pytest', 'ruff>=0.9']\n"
            "[tool.hatch.envs.types.scripts]\ncheck = 'mypy src'\n[tool.pytest]\n[tool.ruff]\n[tool.mypy]\n"
        },
        {"test": "hatch run pytest -q", "lint": "hatch run ruff check .", "types": "hatch run types:check"},
    ),
    "hatch, whose default environment has an extra of the project": (
        {"hatch.toml": "[envs.default]\nfeatures = ['dev']\n", "tests/conftest.py": ""},
        {"test": "hatch run pytest -q"},
    ),
    "hatch and pdm, which only build": (
        {
            "pyproject.toml": "[build-system]\n[tool.hatch.version]\n[tool.hatch.build]\n[tool.pytest]\n",
            "api/pyproject.toml": "[build-system]\n[tool.pdm.version]\n[tool.pytest]\n",
        },
        {"test": "python3 -m pytest -q", "test-api": "python3 -m pytest -q @api"},
    ),
    "a member of a workspace of uv": (
        {
            "uv.lock": "",
            "pyproject.toml": "[tool.uv.workspace]\nmembers = ['api']\n",
            "api/pyproject.toml": "[project]\ndependencies = ['pytest']\n[build-system]\n[tool.ruff]\n",
            "api/tests/test_it.py": "",
        },
        {
            "test": "uv run pytest -q @api",
            "build": "uv build @api",
            "lint": "uv run ruff check . @api",
        },
    ),
    "a Swift package that CMake builds, too": (
        {
            "Package.swift": "",
            "CMakeLists.txt": "project(a\n  LANGUAGES C Swift)\nenable_testing()\n",
            "Sources/CMakeLists.txt": "",
            "Tests/ATests/ATests.swift": "",
        },
        {"test": "swift test", "build": "swift build"},
    ),
    "a script that tests the types": (
        {"package.json": '{"scripts": {"test:types": "tsc --build"}}'},
        {"types": "npm run test:types"},
    ),
    "a workspace of cargo with a package of its own": (
        {"Cargo.toml": "[package]\nname = 'a'\n[workspace]\n", "crates/b/Cargo.toml": ""},
        {
            "test": "cargo test --workspace",
            "build": "cargo build --workspace",
            "lint": "cargo clippy --workspace --all-targets -- -D warnings",
        },
    ),
    "a workspace of cargo that names its members for a plain command": (
        {"Cargo.toml": "[package]\nname = 'a'\n[workspace]\ndefault-members = ['.']\n", "crates/b/Cargo.toml": ""},
        {"test": "cargo test", "build": "cargo build", "lint": "cargo clippy --all-targets -- -D warnings"},
    ),
}


@pytest.mark.parametrize(("files", "expected"), CASES.values(), ids=CASES)
def test_a_command_is_that_of_the_manager_as_the_project_uses_it(
    files: dict[str, str], expected: dict[str, str]
) -> None:
    assert commands(found_checks(tree(files, "python3"))) == expected


def test_a_target_that_makes_everything_replaces_no_build() -> None:
    files = {"go.mod": "", "Makefile": "all: lint test\n\ttrue\n"}
    assert commands(found_checks(tree(files, "make")))["build"] == "go build ./..."
