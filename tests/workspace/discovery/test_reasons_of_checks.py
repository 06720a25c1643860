"""Why a check is proposed: the file and line that declare it, and the line of CI that runs the same."""

from pathlib import Path

import pytest

from wfe_mcp.workspace.discovery.found_checks import find_checks

CI = "jobs:\n  t:\n    steps:\n"


def reasons(root: Path, files: dict[str, str], *steps: str) -> dict[str, str]:
    """Name of a check → its reason, where CI has these commands."""
    for name, text in {
        **files,
        ".github/workflows/ci.yml": CI + "".join(f"      - run: {step}\n" for step in steps),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return {each.name: each.why for each in find_checks(root).checks if each.kind != "security"}


@pytest.mark.requirement("S4-31")
def test_each_check_has_the_file_and_line_that_speak_for_it_and_the_line_of_ci(tmp_path: Path) -> None:
    files = {
        "package.json": '{\n  "scripts": {\n    "test": "vitest run",\n    "lint": "eslint ."\n  }\n}\n',
        "api/pyproject.toml": "[tool.ruff]\n",
    }
    why = reasons(tmp_path, files, "npm ci", "|\n          npm test -- --watch=false\n          uv run ruff check api")
    assert why == {
        "test": "package.json:3; CI runs it: .github/workflows/ci.yml:6",
        "lint": "package.json:4",
        "lint-api": "api/pyproject.toml; CI runs it: .github/workflows/ci.yml:7",
    }


def test_ci_runs_a_check_only_where_it_runs_that_task_in_that_folder(tmp_path: Path) -> None:
    files = {"build.gradle": "ktlint\n", "gradlew": "", "tools/go.mod": "module tools\n"}
    why = reasons(tmp_path, files, "./gradlew -Dslow=false build", "./gradlew --stacktrace test", "go test ./...")
    assert why["test"] == "build.gradle; CI runs it: .github/workflows/ci.yml:5"
    assert why["lint"] == "build.gradle"
    assert why["test-tools"] == "tools/go.mod"


def test_a_program_below_vendor_is_run_by_ci_where_its_line_has_this_program(tmp_path: Path) -> None:
    files = {"composer.json": "{}", "phpunit.xml": "", ".php-cs-fixer.dist.php": ""}
    why = reasons(tmp_path, files, "vendor/bin/phpstan analyse", "vendor/bin/phpunit --testdox")
    assert why == {"test": "composer.json; CI runs it: .github/workflows/ci.yml:5", "lint": "composer.json"}


def test_ci_runs_a_script_by_its_manager_and_with_or_without_run(tmp_path: Path) -> None:
    scripts = (
        '{"packageManager": "yarn@4.0.0", "scripts": {"build": "vite build", "lint": "eslint .", "test": "vitest"}}'
    )
    steps = ("docker build .", "yarn lint", "yarn run test:unit", "yarn run test")
    assert reasons(tmp_path, {"package.json": scripts}, *steps) == {
        "test": "package.json:1; CI runs it: .github/workflows/ci.yml:7",
        "build": "package.json:1",
        "lint": "package.json:1; CI runs it: .github/workflows/ci.yml:5",
    }


def test_what_a_generator_copies_is_no_project(tmp_path: Path) -> None:
    assert reasons(tmp_path, {"{{cookiecutter.name}}/go.mod": "module x\n", "go.mod": "module y\n"}) == {
        "test": "go.mod",
        "build": "go.mod",
        "lint": "go.mod",
    }
