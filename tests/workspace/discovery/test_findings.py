"""Findings: how sure they are, broken files, files that are not read, and what a large project costs."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from wfe_mcp.workspace.discovery.findings import ProjectFinding, findings_of
from wfe_mcp.workspace.discovery.found_checks import find_checks
from wfe_mcp.workspace.discovery.project_listing import list_project


def project(root: Path, files: dict[str, str]) -> tuple[ProjectFinding, ...]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return findings_of(list_project(root))


def test_a_default_port_is_said_to_be_one_and_gives_way_to_any_other_of_the_program(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "django\n",
        "compose.yml": "services:\n  db:\n    image: postgres\n    ports: ['5432:5432']\n",
    }
    ports = {each.value: (each.sure, each.note) for each in project(tmp_path, files) if each.kind == "port"}
    assert ports == {"5432": ("declared", "of db"), "8000": ("default", "of Django")}
    (tmp_path / "Procfile").write_text("web: gunicorn --bind 0.0.0.0:9000\n", encoding="utf-8")
    ports = {each.value: each.sure for each in findings_of(list_project(tmp_path)) if each.kind == "port"}
    assert ports == {"5432": "declared", "9000": "declared"}


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("package.json", '{\n  "scripts": {\n    "test": "x",,\n  }\n}\n', 3),
        ("pyproject.toml", "[project]\nname =\n", 2),
        ("compose.yml", "services:\n  web:\n   - a\n  b: [\n", 5),
        ("package.json", "[" * 100_000, 1),
        ("compose.yml", "- " * 5_000 + "a", 1),
        ("compose.yml", "a: &a [x]\n" + "x: " + "y" * 400_000, 1),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_the_others_count(
    tmp_path: Path, name: str, text: str, line: int
) -> None:
    found = project(tmp_path, {name: text, "go.mod": "module m\n"})
    (problem,) = [each for each in found if each.kind == "problem"]
    assert (problem.file, problem.line) == (name, line), problem
    assert problem.value.startswith(f"{name} cannot be read: ")
    assert "go" in {each.value for each in found}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "\n" * 900_000,
            "tox.ini setup.cfg go.mod go.work Gemfile Rakefile .gitmodules config/database.yml schema.prisma",
        ),
        (" \n" * 400_000, "app.py server.ts Main.java settings.gradle"),
        ("1" * 900_000, "src/main.rs"),
        (",/*" * 300_000, ".devcontainer/devcontainer.json tsconfig.json"),
        ('"' + '\\"' * 400_000, ".devcontainer/devcontainer.json"),
        ("port " * 200_000, "config/puma.rb"),
        ("postgresql" * 100_000, "config.py"),
        ("<script" * 140_000, "index.html"),
        ("static " * 140_000, "Program.cs"),
        (
            "jobs:\n a:\n  steps:\n   - run: \"'a" + "\\na" * 98_000 + '"\n',
            " ".join(f".github/workflows/{name}.yml" for name in "abcdefgh"),
        ),
    ],
)
def test_files_that_match_nothing_in_many_places_are_read_in_linear_time(tmp_path: Path, text: str, names: str) -> None:
    began = time.process_time()
    project(tmp_path, dict.fromkeys(names.split(), text))
    assert time.process_time() - began < 20


def test_an_indented_line_after_empty_ones_is_found_with_its_line(tmp_path: Path) -> None:
    found = project(tmp_path, {"go.mod": "module m\nrequire (\n\n\n\tgithub.com/gin-gonic/gin v1.9.1\n)\n"})
    assert [(each.value, each.line) for each in found if each.kind == "framework"] == [("Gin", 5)]


def test_what_a_file_says_is_data_in_one_short_line(tmp_path: Path) -> None:
    text = 'jobs:\n  t:\n    steps:\n      - run: "pytest \\e[31m \\u200b ' + "x" * 400 + '"\n'
    (found,) = [each for each in project(tmp_path, {".github/workflows/ci.yml": text}) if each.kind == "ci"]
    assert len(found.value) <= 160
    assert found.value.isprintable()


def test_a_link_out_of_the_project_and_a_file_of_secrets_are_not_read(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "project"
    for folder in (outside, root):
        folder.mkdir()
    (outside / "package.json").write_text('{"dependencies": {"react": "1"}}', encoding="utf-8")
    (root / "package.json").symlink_to(outside / "package.json")
    (root / "web").symlink_to(outside, target_is_directory=True)
    (root / ".env").write_text("PORT=5000\nDATABASE_URL=postgres://u:secret@h/d\n", encoding="utf-8")
    (root / "real.txt").write_text("fastapi\n", encoding="utf-8")
    (root / "requirements.txt").symlink_to("real.txt")
    assert {each.value for each in findings_of(list_project(root))} == {"pip", "FastAPI", "8000"}


def test_the_files_of_tests_examples_and_documentation_say_nothing_of_the_project(tmp_path: Path) -> None:
    files = {
        f"{folder}/package.json": '{"dependencies": {"react": "1"}}' for folder in ("examples/a", "tests/b", "docs")
    }
    assert project(tmp_path, files) == ()


def test_kinds_that_real_repositories_taught(tmp_path: Path) -> None:
    """Each was wrong in a repository that no test was made for."""
    files = {
        "src/main/java/org/x/samples/App.java": "public class App {\n  public static void main(String[] a) {}\n}\n",
        "src/test/java/org/x/Main.java": "  public static void main(String[] a) {}\n",
        "Cargo.toml": '[package]\nrust-version.workspace = true\n[features]\npg = ["diesel/postgres"]\n',
        "web/app.js": "keyboard.listen();\nconst x = 1;\n\nhttpServer.listen(4100);\n",
        "web/package.json": "{}",
        "tool/__main__.py": "",
        "main.go": "package main\n\nfunc main() {}\n",
        ".env.example": "MAIL_PORT=1025\nAPP_PORT=7000\n",
        "cypress/compose.yml": "services: {x: {image: mysql}}\n",
        ".github/workflows/ci.yml": (
            "jobs:\n  t:\n    steps:\n      - run: |\n          set -e\n          if true; then\n"
            "            make \\\n              all\n          fi\n          jq '\n            .a\n          '\n"
        ),
        "compose.yml": "services:\n  db:\n    image: mysql:9\n",
        "requirements.txt": "mysqlclient\n",
    }
    found = {(each.kind, each.value, f"{each.file}:{each.line}", each.sure) for each in project(tmp_path, files)}
    seen = {each[1:] for each in found if each[0] in {"entry point", "version", "database", "port", "ci"}}
    assert seen == {
        ("src/main/java/org/x/samples/App.java", "src/main/java/org/x/samples/App.java:2", "declared"),
        ("PostgreSQL", "Cargo.toml:4", "likely"),
        ("web/app.js", "web/app.js:4", "declared"),
        ("4100", "web/app.js:4", "declared"),
        ("python -m tool", "tool/__main__.py:1", "declared"),
        ("go run .", "main.go:3", "declared"),
        ("7000", ".env.example:2", "declared"),
        ("make all", ".github/workflows/ci.yml:7", "declared"),
        ("jq ' .a '", ".github/workflows/ci.yml:10", "declared"),
        ("MySQL", "compose.yml:3", "declared"),
    }


def test_a_name_that_is_part_of_another_one_has_its_own_line_and_a_package_its_whole_name(tmp_path: Path) -> None:
    scripts = '{"scripts": {\n"csb:build": "pnpm build",\n"lint.build": "x",\n"build": "bunchee"}}\n'
    files = {
        "package.json": scripts,
        "httpie/__init__.py": "",
        "httpie/manager/__init__.py": "",
        "httpie/manager/__main__.py": "",
    }
    found = {(finding.kind, finding.value, finding.line) for finding in project(tmp_path, files)}
    assert ("task", "npm run build", 4) in found
    assert ("entry point", "python -m httpie.manager", 1) in found


def test_tests_inside_a_package_are_found_where_it_names_their_runner(tmp_path: Path) -> None:
    files = {"api/pyproject.toml": '[dependency-groups]\ndev = ["pytest"]\n', "api/app/tests/test_a.py": ""}
    project(tmp_path, files)
    (check,) = find_checks(tmp_path).checks
    assert (check.settings.cwd, check.settings.argv[-1], check.why) == ("api", "-q", "api/pyproject.toml")


def test_specs_of_a_browser_are_not_taken_for_tests_of_node(tmp_path: Path) -> None:
    project(tmp_path, {"package.json": '{"devDependencies": {"@playwright/test": "1"}}', "tests/a.spec.ts": ""})
    assert find_checks(tmp_path).checks == ()


LISTED = """
import os, sys
from pathlib import Path
seen = {"scandir": 0, "files": set(), "stat": 0}
root = sys.argv[1]
def hook(event, args):
    if event == "os.scandir" and str(args[0]).startswith(root):
        seen["scandir"] += 1
    if event == "open" and str(args[0]).startswith(root):
        seen["files"].add(str(args[0]).removeprefix(root + os.sep))
sys.addaudithook(hook)
counted = {name: getattr(os, name) for name in ("stat", "lstat")}
def count(name):
    def called(path, *more, **keys):
        seen["stat"] += str(path).startswith(root)
        return counted[name](path, *more, **keys)
    return called
for name in counted:
    setattr(os, name, count(name))
from wfe_mcp.workspace.discovery.findings import findings_of
from wfe_mcp.workspace.discovery.project_listing import list_project
listing = list_project(Path(root))
found = findings_of(listing)
print(len(found), seen["scandir"], sorted(seen["files"]), seen["stat"])
"""


def test_a_large_project_costs_one_look_at_each_folder_and_none_at_a_file_that_no_row_names(tmp_path: Path) -> None:
    for folder in range(40):
        (tmp_path / "src" / f"m{folder}").mkdir(parents=True)
        for file in range(50):
            (tmp_path / "src" / f"m{folder}" / f"f{file}.ts").touch()
    (tmp_path / "package.json").write_text('{"dependencies": {"react": "1"}}', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LISTED, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.split(" ", 2)
    files, stats = done[2].rsplit(" ", 1)
    assert (int(done[0]), files) == (1, "['package.json']")
    assert int(done[1]) <= 42 + 1, "once each"
    assert int(stats) <= 100, "of 2,000 files none is looked at by itself"


def test_a_line_of_ci_that_changes_its_folder_first_runs_there(tmp_path: Path) -> None:
    ci = (
        "jobs:\n  all:\n    steps:\n      - run: cd api && python -m pytest -q\n      - run: |\n          cd apps\n"
        "          cd ./web; npm test\n          cd ../..\n          make lint\n"
        "      - run: cd web && npm run build\n        working-directory: apps\n      - run: cd $HERE && make all\n"
    )
    files = {"api/pyproject.toml": "[tool.pytest.ini_options]\n", ".github/workflows/ci.yml": ci}
    runs = [(each.value, each.folder, each.line) for each in project(tmp_path, files) if each.kind == "ci"]
    assert runs == [
        ("python -m pytest -q", "api", 4),
        ("npm test", "apps/web", 7),
        ("make lint", "", 9),
        ("npm run build", "apps/web", 10),
    ]
    assert [each.why for each in find_checks(tmp_path).checks] == [
        "api/pyproject.toml; CI runs it: .github/workflows/ci.yml:4"
    ]


def test_a_line_of_ci_speaks_for_the_check_of_the_folder_that_it_runs_in(tmp_path: Path) -> None:
    ci = (
        "jobs:\n  web:\n    steps:\n      - run: npm test\n        working-directory: ./apps/web\n"
        "  api:\n    defaults:\n      run:\n        working-directory: api\n    steps:\n      - run: uv run ruff check src\n"
    )
    files = {
        "package.json": '{"scripts": {"test": "vitest run"}}',
        "pyproject.toml": "[tool.ruff]\n",
        "api/pyproject.toml": "[tool.ruff]\n",
        ".github/workflows/ci.yml": ci,
    }
    runs = [(each.value, each.note) for each in project(tmp_path, files) if each.kind == "ci"]
    assert runs == [("npm test", "of web, in apps/web"), ("uv run ruff check src", "of api, in api")]
    found = {each.name: each for each in find_checks(tmp_path).checks}
    assert found["test"].why == "package.json:1"
    assert found["lint-api"].why == "api/pyproject.toml; CI runs it: .github/workflows/ci.yml:11"
    assert (found["lint"].why, found["lint"].settings.argv[-1]) == ("pyproject.toml", ".")
