"""The stack of a folder is read from its files: language, package manager, test runner."""

from pathlib import Path

import pytest

from wfe_mcp.workspace.discovery.project_facts import MOST_STACKS, project_facts

PYTEST = "[tool.pytest.ini_options]\n"
SCRIPTS = '{"scripts": {"test": "vitest"}}'


@pytest.mark.parametrize(
    ("files", "language", "manager", "runner"),
    [
        ({"pyproject.toml": PYTEST, "uv.lock": ""}, "Python", "uv", "pytest"),
        ({"pyproject.toml": "[tool.poetry]\n", "test_a.py": "import unittest\n"}, "Python", "poetry", "unittest"),
        ({"setup.cfg": "", "pytest.ini": "[pytest]\n"}, "Python", "pip", "pytest"),
        ({"package.json": SCRIPTS, "pnpm-lock.yaml": ""}, "JavaScript", "pnpm", "pnpm test"),
        (
            {"package.json": '{"devDependencies": {"vitest": "1"}}', "tsconfig.json": "{}"},
            "TypeScript",
            "npm",
            "vitest",
        ),
        ({"package.json": '{"devDependencies": {"typescript": "5"}}'}, "TypeScript", "npm", ""),
        ({"package.json": "{}"}, "JavaScript", "npm", ""),
        ({"Cargo.toml": ""}, "Rust", "cargo", "cargo test"),
        ({"go.mod": "module m\n"}, "Go", "go", "go test"),
        ({"pom.xml": "<project/>"}, "Java", "maven", "mvn"),
        ({"mix.exs": ""}, "Elixir", "mix", "mix test"),
        ({"deno.json": "{}", "a_test.ts": ""}, "TypeScript", "deno", "deno test"),
        ({"pubspec.yaml": "name: shop\n"}, "Dart", "pub", ""),
        ({"Package.swift": ""}, "Swift", "swift", ""),
        ({"Package.swift": "", "CMakeLists.txt": "project(shop LANGUAGES Swift)\n"}, "Swift", "swift", ""),
        ({"build.sbt": ""}, "Scala", "sbt", "sbt test"),
        ({"stack.yaml": ""}, "Haskell", "cabal", "stack test"),
    ],
)
def test_language_manager_and_runner_follow_from_the_files(
    tmp_path: Path, files: dict[str, str], language: str, manager: str, runner: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (found,) = project_facts(tmp_path).stacks
    assert (found.folder, found.language, found.manager) == (".", language, manager)
    assert found.runner.startswith(runner) if runner else found.runner == ""
    assert bool(found.check) == bool(runner)


def test_each_folder_with_a_manifest_has_its_own_stack_and_may_take_the_manager_from_above(tmp_path: Path) -> None:
    for name in ("uv.lock", "pyproject.toml", "api/pyproject.toml", "web/package.json"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(PYTEST if name == "pyproject.toml" else "{}" if name.endswith("json") else "", encoding="utf-8")
    found = project_facts(tmp_path).stacks
    assert [(each.folder, each.manager) for each in found] == [(".", "uv"), ("api", "uv"), ("web", "npm")]
    assert [each.runner for each in found] == ["pytest", "", ""], "a check belongs to the folder that it runs in"


def test_so_many_stacks_are_named_and_no_more(tmp_path: Path) -> None:
    for number in range(MOST_STACKS + 1):
        (tmp_path / f"p{number:02}").mkdir()
        (tmp_path / f"p{number:02}" / "go.mod").write_text("module m\n", encoding="utf-8")
    assert [each.folder for each in project_facts(tmp_path).stacks] == [
        f"p{number:02}" for number in range(MOST_STACKS)
    ]
