"""Layouts met in public projects that no test was made for: what was wrong there, as the smallest project that shows it."""

from pathlib import Path

import pytest

from wfe_mcp.workspace.discovery.found_checks import find_checks
from wfe_mcp.workspace.discovery.project_facts import named_facts, project_facts
from wfe_mcp.workspace.discovery.project_listing import list_project

LAYOUTS: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "a middleware is tested with a server and is none": (
        {"package.json": '{"devDependencies": {"express": "4", "pg": "8", "mocha": "9"}}'},
        ("framework", "database"),
        "",
    ),
    "a tool of the build is a framework as a development dependency too": (
        {"package.json": '{"devDependencies": {"@sveltejs/kit": "2", "express": "4"}}'},
        ("framework",),
        "SvelteKit package.json:1",
    ),
    "a module by exports with types": (
        {"package.json": '{\n"exports": {\n"types": "./index.d.ts",\n"default": "./index.js"\n}}'},
        ("entry point",),
        "index.js package.json:4",
    ),
    "one file, named twice": (
        {"package.json": '{\n"main": "dist/a.js",\n"exports": {".": {"default": "./dist/a.js"}}}'},
        ("entry point",),
        "dist/a.js package.json:2",
    ),
    "a library of Rust": (
        {"Cargo.toml": '[package]\nname = "a"\n', "src/lib.rs": "pub mod b;\n", "src/b.rs": ""},
        ("entry point",),
        "src/lib.rs src/lib.rs:1",
    ),
    "an application made by a function of its package": (
        {"requirements.txt": "flask\n", "shop/__init__.py": "import os\n\n\ndef create_app():\n    pass\n"},
        ("entry point",),
        "shop:create_app() shop/__init__.py:4",
    ),
    "a container's command as a list": (
        {"Dockerfile": 'FROM node\nCMD [ "node", "my api" ]\n'},
        ("entry point",),
        "node 'my api' Dockerfile:2",
    ),
    "uvu": ({"package.json": '{"devDependencies": {"uvu": "0.5"}}'}, ("test runner",), "uvu package.json:1"),
}


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_a_public_project_is_was_found(name: str, tmp_path: Path) -> None:
    files, kinds, expected = LAYOUTS[name]
    found = project_facts(written(tmp_path, files)).findings
    assert "; ".join(f"{each.value} {each.file}:{each.line}" for each in found if each.kind in kinds) == expected


def test_a_language_of_tests_and_documents_alone_is_none_of_the_project(tmp_path: Path) -> None:
    files = {"app/a.py": "", "tests/extension.c": "", "docs/_templates/base.html": "", "tests/test_a.py": ""}
    files["app/templates/a.css"] = ""
    facts = project_facts(written(tmp_path, files))
    assert [(each.name, each.files) for each in facts.languages] == [("Python", 2), ("CSS", 1)]
    assert named_facts(project_facts(written(tmp_path / "e2e", {"tests/a.spec.ts": ""})))["languages"] == "TypeScript"


def test_a_folder_of_benchmarks_is_no_package(tmp_path: Path) -> None:
    files = {"package.json": "{}", "src/index.js": "", "bench/index.js": "", "bench/package.json": "{}"}
    facts = project_facts(written(tmp_path, files))
    assert [each.folder for each in facts.stacks] == ["."]
    assert facts.languages[0].example == "src/index.js"


def test_tests_in_one_file_beside_the_modules_run_by_unittest(tmp_path: Path) -> None:
    files = {"requirements.txt": "flask\npytest\n", "tests.py": "import unittest\n", "shop.py": ""}
    (check,) = find_checks(written(tmp_path, files)).checks
    assert check.settings.argv[1:] == ["-m", "unittest"]
    assert not list_project(tmp_path).is_aside("tests.py")


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("mypy shop tests", ["mypy", "shop", "tests"]),
        ("uv run mypy shop", ["mypy", "shop"]),
        ("mypy $FOLDERS", ["mypy", "."]),
        ("mypy shop | tee mypy.log", ["mypy", "."]),
        ("mypy --version", ["mypy", "."]),
    ],
)
def test_where_a_tool_needs_to_know_what_to_read_ci_says_it(tmp_path: Path, command: str, argv: list[str]) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "shop"\n',
        "mypy.ini": "[mypy]\n",
        ".github/workflows/ci.yml": f"jobs:\n  test:\n    steps:\n      - run: {command}\n",
    }
    checks = {each.kind: each for each in find_checks(written(tmp_path, files)).checks}
    assert checks["types"].settings.argv == argv
    assert checks["types"].why == "pyproject.toml; CI runs it: .github/workflows/ci.yml:4"
