"""Which checks init proposes for which files: small trees, and the commands that are found in them."""

import json
import shlex
from pathlib import PurePosixPath

import pytest

from wfe_mcp.workspace.discovery.found_checks import FoundChecks, found_checks
from wfe_mcp.workspace.discovery.project_listing import Listing

VENV = {".venv/bin/python": ""}
POETRY = "[tool.poetry]\n[build-system]\n"
ESLINT = json.dumps({"devDependencies": {"eslint": "9", "typescript": "5"}})


def scripts(**given: str) -> str:
    return json.dumps({"scripts": given})


def tree(files: dict[str, str], installed: str = "", modules: str = "", *, windows: bool = False) -> Listing:
    """The listing of a project with these files; hidden folders exist, and are not listed."""
    folders: dict[str, set[str]] = {"": set()}
    for path in map(PurePosixPath, files):
        if not path.parts[0].startswith(".") or len(path.parts) == 1:
            for above in path.parents:
                folders.setdefault("" if str(above) == "." else str(above), set())
            folders["" if str(path.parent) == "." else str(path.parent)].add(path.name)
    return Listing(
        {path: frozenset(names) for path, names in folders.items()},
        read=lambda path: files.get(path, ""),
        exists=lambda path: any(each == path or each.startswith(f"{path}/") for each in files),
        installed=installed.split().__contains__,
        python_has=modules.split().__contains__,
        windows=windows,
    )


def commands(found: FoundChecks) -> dict[str, str]:
    """Name → command, with its folder behind it."""
    return {
        each.name: shlex.join(each.settings.argv) + (f" @{each.settings.cwd}" if each.settings.cwd else "")
        for each in found.checks
    }


CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "nothing": ({"README.md": ""}, {}),
    # Python
    "pytest configured": ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, {"test": "python3 -m pytest -q"}),
    "pytest.ini": ({"pytest.ini": "[pytest]\n"}, {"test": "python3 -m pytest -q"}),
    "setup.cfg": ({"setup.cfg": "[metadata]\n\n[tool:pytest]\n"}, {"test": "python3 -m pytest -q"}),
    "tox.ini of pytest": ({"tox.ini": "[pytest]\n"}, {"test": "python3 -m pytest -q"}),
    "conftest": ({"tests/conftest.py": ""}, {"test": "python3 -m pytest -q"}),
    "unittest": ({"test_it.py": ""}, {"test": "python3 -m unittest"}),
    "unittest in a folder": ({"tests/test_it.py": ""}, {"test": "python3 -m unittest discover -s tests"}),
    "unittest in a package": ({"tests/__init__.py": "", "tests/test_it.py": ""}, {"test": "python3 -m unittest"}),
    "tests deeper down": ({"tests/unit/test_it.py": ""}, {"test": "python3 -m unittest"}),
    "venv with pytest": (
        {**VENV, ".venv/bin/pytest": "", "it_test.py": ""},
        {"test": ".venv/bin/python -m pytest -q"},
    ),
    "venv without pytest": ({"venv/bin/python": "", "test_it.py": ""}, {"test": "venv/bin/python -m unittest"}),
    "venv of Windows": (
        {".venv/Scripts/python.exe": "", ".venv/Scripts/pytest.exe": "", "test_it.py": ""},
        {"test": ".venv/Scripts/python.exe -m pytest -q"},
    ),
    "uv": (
        {
            "uv.lock": 'name = "pytest"\n',
            "tests/test_it.py": "",
            "pyproject.toml": "[tool.ruff]\n[tool.mypy]\nfiles = ['src']\n",
        },
        {"test": "uv run pytest -q", "lint": "uv run ruff check .", "types": "uv run mypy"},
    ),
    "uv without pytest": ({"uv.lock": "", "test_it.py": ""}, {"test": "uv run python -m unittest"}),
    "poetry": (
        {"poetry.lock": "", "pyproject.toml": POETRY, "tests/conftest.py": ""},
        {"test": "poetry run pytest -q", "build": "poetry build"},
    ),
    "pipenv": ({"Pipfile": "pytest = '*'\n", "test_it.py": ""}, {"test": "pipenv run pytest -q"}),
    "flake8 and mypy": (
        {"setup.cfg": "[flake8]\n", "mypy.ini": "[mypy]\n"},
        {"lint": "flake8", "types": "mypy ."},
    ),
    "pylint and pyright": (
        {".pylintrc": "", "pyrightconfig.json": "{}"},
        {"lint": "pylint --recursive=y .", "types": "pyright"},
    ),
    "tools of a venv": (
        {**VENV, ".venv/bin/ruff": "", "ruff.toml": ""},
        {"lint": ".venv/bin/ruff check ."},
    ),
    "broken pyproject": ({"pyproject.toml": "not toml ="}, {}),
    "odd pyproject": ({"pyproject.toml": "tool = 1"}, {}),
    # JavaScript and TypeScript
    "npm scripts": (
        {"package.json": scripts(test="jest", build="vite build", lint="eslint .", typecheck="tsc --noEmit")},
        {"test": "npm test", "build": "npm run build", "lint": "npm run lint", "types": "npm run typecheck"},
    ),
    "yarn": (
        {"package.json": scripts(test="x", build="y"), "yarn.lock": ""},
        {"test": "yarn test", "build": "yarn run build"},
    ),
    "pnpm": ({"package.json": scripts(test="x"), "pnpm-lock.yaml": ""}, {"test": "pnpm test"}),
    "bun": (
        {"package.json": scripts(test="x", lint="y"), "bun.lock": ""},
        {"test": "bun run test", "lint": "bun run lint"},
    ),
    "bun's own runner": ({"package.json": "{}", "bun.lockb": "", "a.test.ts": ""}, {"test": "bun test"}),
    "packageManager": (
        {"package.json": '{"packageManager": "pnpm@9.1.0", "scripts": {"test": "x"}}'},
        {"test": "pnpm test"},
    ),
    "odd packageManager": ({"package.json": '{"packageManager": 1, "scripts": {"test": "x"}}'}, {"test": "npm test"}),
    "vitest": ({"package.json": '{"devDependencies": {"vitest": "1"}}'}, {"test": "npx --no-install vitest run"}),
    "jest": ({"package.json": '{"devDependencies": {"jest": "1"}}', "pnpm-lock.yaml": ""}, {"test": "pnpm exec jest"}),
    "mocha": ({"package.json": '{"dependencies": {"mocha": "1"}}', "yarn.lock": ""}, {"test": "yarn run mocha"}),
    "node:test": ({"package.json": "{}", "test/a.js": ""}, {"test": "node --test"}),
    "eslint and tsc": (
        {"package.json": ESLINT, "eslint.config.mjs": "", "tsconfig.json": "{}"},
        {"lint": "npx --no-install eslint .", "types": "npx --no-install tsc --noEmit"},
    ),
    "biome": (
        {"package.json": '{"devDependencies": {"@biomejs/biome": "1"}}', "biome.json": "{}"},
        {"lint": "npx --no-install biome check"},
    ),
    "a script that changes files": ({"package.json": scripts(lint="eslint --fix .")}, {}),
    "npm's placeholder": ({"package.json": scripts(test='echo "Error: no test specified" && exit 1')}, {}),
    "a list as package": ({"package.json": "[]"}, {}),
    "half a package": ({"package.json": "{"}, {}),
    "nested without end": ({"package.json": "[" * 100_000}, {}),
    "a number as script": ({"package.json": '{"scripts": {"test": 1}}'}, {}),
    # Others
    "go": ({"go.mod": ""}, {"test": "go test ./...", "build": "go build ./...", "lint": "go vet ./..."}),
    "go with a linter": (
        {"go.mod": "", ".golangci.yml": ""},
        {"test": "go test ./...", "build": "go build ./...", "lint": "golangci-lint run"},
    ),
    "rust": (
        {"Cargo.toml": ""},
        {"test": "cargo test", "build": "cargo build", "lint": "cargo clippy --all-targets -- -D warnings"},
    ),
    "maven": ({"pom.xml": ""}, {"test": "mvn -B test", "build": "mvn -B -DskipTests package"}),
    "maven wrapper": (
        {"pom.xml": "", "mvnw": ""},
        {"test": "./mvnw -B test", "build": "./mvnw -B -DskipTests package"},
    ),
    "gradle": (
        {"build.gradle.kts": 'id("org.jlleitschuh.gradle.ktlint")\n', "gradlew": ""},
        {
            "test": "./gradlew --console=plain test",
            "build": "./gradlew --console=plain assemble",
            "lint": "./gradlew --console=plain ktlintCheck",
        },
    ),
    "spotless": (
        {"build.gradle.kts": 'apply(plugin = "com.diffplug.spotless")\nspotless { kotlin { ktlint("0.48.2") } }\n'},
        {
            "test": "gradle --console=plain test",
            "build": "gradle --console=plain assemble",
            "lint": "gradle --console=plain spotlessCheck",
        },
    ),
    "Kotlin for several platforms": (
        {"build.gradle.kts": "alias(libs.plugins.kotlinMultiplatform) apply false\n"},
        {"test": "gradle --console=plain allTests", "build": "gradle --console=plain assemble"},
    ),
    "detekt": (
        {"build.gradle": "detekt {}\n"},
        {
            "test": "gradle --console=plain test",
            "build": "gradle --console=plain assemble",
            "lint": "gradle --console=plain detekt",
        },
    ),
    "rspec": (
        {"Gemfile": "", "spec/models/user_spec.rb": "", ".rubocop.yml": ""},
        {"test": "bundle exec rspec", "lint": "bundle exec rubocop"},
    ),
    "rake": ({"Rakefile": "Rake::TestTask.new\n", "test/a_test.rb": ""}, {"test": "rake test"}),
    "minitest": (
        {"test/a_test.rb": ""},
        {
            "test": "ruby -Ilib -Itest -e 'Dir.glob('\"'\"'./test/**/*_test.rb'\"'\"').sort.each { |file| require file }'"
        },
    ),
    "rails": (
        {"config.ru": "", "bin/rails": "", "test/a_test.rb": "", "Steepfile": ""},
        {"test": "bin/rails test", "types": "steep check"},
    ),
    "sorbet": ({"Gemfile": "", "sorbet/config": ""}, {"types": "bundle exec srb tc"}),
    "composer": (
        {"composer.json": scripts(test="phpunit", cs="phpcs", phpstan="phpstan analyse")},
        {"test": "composer run-script test", "lint": "composer run-script cs", "types": "composer run-script phpstan"},
    ),
    "phpunit": (
        {"composer.json": "{}", "phpunit.xml.dist": "", "phpcs.xml": "", "phpstan.neon": ""},
        {"test": "vendor/bin/phpunit", "lint": "vendor/bin/phpcs", "types": "vendor/bin/phpstan analyse --no-progress"},
    ),
    "pest": (
        {"composer.json": '{"require-dev": {"pestphp/pest": "2"}}', ".php-cs-fixer.php": "", "psalm.xml": ""},
        {"test": "vendor/bin/pest", "lint": "vendor/bin/php-cs-fixer check", "types": "vendor/bin/psalm --no-progress"},
    ),
    "dotnet": (
        {"App.sln": "", ".editorconfig": "", "src/App.csproj": ""},
        {"test": "dotnet test --nologo", "build": "dotnet build --nologo", "lint": "dotnet format --verify-no-changes"},
    ),
    "cmake": (
        {"CMakeLists.txt": "enable_testing()\n", "lib/CMakeLists.txt": ""},
        {
            "test": "ctest --build-and-test . build --build-generator 'Unix Makefiles' --build-noclean --test-command ctest --output-on-failure",
            "build": "ctest --build-and-test . build --build-generator 'Unix Makefiles' --build-noclean",
        },
    ),
    "make": (
        {"Makefile": "all:\n\ttrue\ncheck: all\n\ttrue\nlint:\n\ttrue\ntypes :\n\ttrue\n"},
        {"test": "make check", "build": "make all", "lint": "make lint", "types": "make types"},
    ),
    "a variable of make": ({"Makefile": "test := 1\n"}, {}),
    "make reads one file": ({"GNUmakefile": "other:\n", "Makefile": "test:\n"}, {}),
    # several
    "two tool chains": (
        {"test_it.py": "", "go.mod": "", "Makefile": "test:\n\tpytest\nlint:\n\tx\n"},
        {"test": "python3 -m unittest", "test-go": "go test ./...", "build": "go build ./...", "lint": "go vet ./..."},
    ),
    "a package per folder": (
        {"apps/web/package.json": scripts(test="x"), "apps/api/go.mod": "", "README.md": ""},
        {
            "test-web": "npm test @apps/web",
            "test-api": "go test ./... @apps/api",
            "build": "go build ./... @apps/api",
            "lint": "go vet ./... @apps/api",
        },
    ),
    "the only tests are in a folder": ({"web/package.json": scripts(test="x")}, {"test": "npm test @web"}),
    "the project and a folder": (
        {"test_it.py": "", "web/package.json": scripts(test="x")},
        {"test": "python3 -m unittest", "test-web": "npm test @web"},
    ),
    "two folders of one name": (
        {f"{above}/web/package.json": scripts(test="x") for above in "abc"},
        {"test-web": "npm test @a/web", "test-web-node": "npm test @b/web", "test-c-web": "npm test @c/web"},
    ),
    "a workspace of cargo": (
        {"Cargo.toml": "[workspace]\n", "crates/a/Cargo.toml": ""},
        {"test": "cargo test", "build": "cargo build", "lint": "cargo clippy --all-targets -- -D warnings"},
    ),
    "a workspace of npm": (
        {
            "package.json": '{"workspaces": ["packages/*"], "scripts": {"test": "x"}}',
            "pnpm-lock.yaml": "",
            "packages/a/package.json": scripts(test="x", build="y"),
        },
        {"test": "pnpm test", "build": "pnpm run build @packages/a"},
    ),
    "packages of npm without a workspace": (
        {"package.json": scripts(test="x"), "b/package.json": scripts(test="x")},
        {"test": "npm test", "test-b": "npm test @b"},
    ),
    "a venv above": (
        {**VENV, ".venv/bin/pytest": "", "api/pyproject.toml": "[tool.pytest]\n"},
        {"test": "../.venv/bin/python -m pytest -q @api"},
    ),
    "a wrapper above": (
        {"mvnw": "", "server/pom.xml": ""},
        {"test": "../mvnw -B test @server", "build": "../mvnw -B -DskipTests package @server"},
    ),
    "fixtures are no packages": ({"tests/fixtures/a/package.json": scripts(test="x"), "examples/b/go.mod": ""}, {}),
    "too deep": ({"a/b/c/d/go.mod": ""}, {}),
    "odd names": (
        {"my app!/package.json": scripts(test="x"), "Über/package.json": scripts(test="x")},
        {"test-my-app": "npm test @my app!", "test-ber": "npm test @Über"},
    ),
}


@pytest.mark.parametrize(("files", "expected"), CASES.values(), ids=CASES)
def test_the_checks_of_a_project_are_found_by_its_files(files: dict[str, str], expected: dict[str, str]) -> None:
    assert commands(found_checks(tree(files, "python3"))) == expected


@pytest.mark.parametrize(
    ("files", "installed", "modules", "expected"),
    [
        ({"test_it.py": ""}, "python3", "pytest", "python3 -m pytest -q"),
        ({"test_it.py": ""}, "python", "", "python -m unittest"),
        ({"test_it.py": ""}, "", "", "python3 -m unittest"),
        ({"noxfile.py": ""}, "nox python3", "pytest", "nox"),
        ({"tox.ini": "[tox]\n", "test_it.py": ""}, "tox python3", "", "tox"),
        ({"pyproject.toml": "[tool.tox]\n", "tox.ini": "", "test_it.py": ""}, "tox", "", "tox"),
        ({"tox.ini": "[testenv]\n", "test_it.py": ""}, "python3", "pytest", "python3 -m pytest -q"),
        ({**VENV, ".venv/bin/pytest": "", "noxfile.py": ""}, "nox", "", ".venv/bin/python -m pytest -q"),
    ],
)
def test_python_tests_run_by_what_this_machine_has(
    files: dict[str, str], installed: str, modules: str, expected: str
) -> None:
    assert commands(found_checks(tree(files, installed, modules)))["test"] == expected


@pytest.mark.requirement("S4-31")
@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("justfile", "test:\n    x\nlint:\n    x\n", "just lint"),
        ("Taskfile.yml", "tasks:\n  lint: x\n  test: x\n", "task lint"),
        ("mise.toml", "[tasks.lint]\nrun = 'x'\n[tasks.test]\nrun = 'x'\n", "mise run lint"),
        ("pyproject.toml", "[tool.poe.tasks]\nlint = 'x'\ntest = 'x'\n", "poe lint"),
        ("hatch.toml", "[envs.dev.scripts]\nlint = 'x'\ntest = 'x'\n", "hatch run dev:lint"),
        ("noxfile.py", "import nox\n\n@nox.session\ndef lint(session): ...\n", "nox -s lint"),
        ("tox.ini", "[tox]\n[testenv:lint]\n", "tox -e lint"),
        ("Makefile", "test:\n\tx\nlint:\n\tx\n", "make lint"),
        ("deno.json", '{"tasks": {"lint": "x", "test": "x"}}', "deno task lint"),
    ],
)
def test_a_declared_task_is_proposed_as_a_person_types_it_where_its_runner_is_installed(
    file: str, text: str, expected: str
) -> None:
    files = {"go.mod": "", file: text}
    runner = expected.split()[0]
    assert commands(found_checks(tree(files)))["lint"] == "go vet ./..."
    found = commands(found_checks(tree(files, runner)))
    assert found["lint"] == expected
    assert found["test"] == "go test ./..." or runner in {"nox", "tox"}, "its tests can be told apart by name"


def test_scripts_of_a_package_are_declared_tasks_too() -> None:
    files = {"package.json": scripts(lint="eslint ."), "justfile": "lint:\n    x\n"}
    assert commands(found_checks(tree(files, "just"))) == {"lint": "npm run lint"}


def test_windows_uses_the_wrappers_and_programs_of_windows() -> None:
    files = {
        "pom.xml": "",
        "mvnw": "",
        "mvnw.cmd": "",
        "ruff.toml": "",
        ".venv/Scripts/python.exe": "",
        ".venv/Scripts/ruff.exe": "",
    }
    found = commands(found_checks(tree(files, windows=True)))
    assert (found["test"], found["lint"]) == ("./mvnw.cmd -B test", ".venv/Scripts/ruff.exe check .")
    assert commands(found_checks(tree({"pytest.ini": ""}, "py", windows=True))) == {"test": "py -m pytest -q"}


@pytest.mark.parametrize(
    ("tool", "file", "report"),
    [
        ("bandit", "pyproject.toml", ".wfe/report-security.json"),
        ("semgrep", "x.rb", ".wfe/report-security.json"),
        ("pip-audit", "requirements.txt", ".wfe/report-security.json"),
        ("npm", "package-lock.json", None),
    ],
)
def test_a_security_check_is_proposed_only_where_a_scanner_is_installed(
    tool: str, file: str, report: str | None
) -> None:
    files = {file: "", f"sub/{file}": ""}
    assert "security" not in commands(found_checks(tree(files)))
    (found,) = [each for each in found_checks(tree(files, tool)).checks if each.kind == "security"]
    assert (found.name, found.settings.argv[0], found.settings.sarif) == ("security", tool, report)


def test_files_that_a_check_writes_are_declared_below_its_folder() -> None:
    measured = {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--cov=x'\n", "c/CMakeLists.txt": ""}
    found = {each.name: each.settings for each in found_checks(tree(measured)).checks}
    assert found["test"].writes == [".coverage", ".coverage.*", "coverage.xml", "htmlcov"]
    assert found["build"].writes == ["c/build/**"]


def test_only_so_many_packages_get_checks_and_the_rest_is_named() -> None:
    files = {f"p{number:02}/package.json": scripts(test="x") for number in range(20)}
    found = found_checks(tree(files))
    assert len(found.checks) == 11
    assert found.left_out == tuple(f"p{number:02}" for number in range(11, 20))


def test_every_name_is_one_that_configuration_takes() -> None:
    long = "x" * 80
    files = {f"{above}/{long}/package.json": scripts(test="x") for above in "abcd"}
    names = [each.name for each in found_checks(tree(files)).checks]
    assert len(set(names)) == 4
    assert all(len(name) <= 64 and name[-1].isalnum() for name in names)


def test_names_that_would_be_the_same_are_numbered() -> None:
    files = {f"{name}/package.json": scripts(test="x") for name in ("web", "web!", "web+", "web=")}
    assert list(commands(found_checks(tree(files)))) == ["test-web", "test-web-node", "test-2", "test-3"]


def test_exit_codes_of_findings_belong_to_linters_not_to_tests() -> None:
    found = {each.name: each.findings for each in found_checks(tree({"Cargo.toml": "", "ruff.toml": ""})).checks}
    assert found == {"test": frozenset(), "build": frozenset(), "lint": frozenset({1}), "lint-rust": frozenset({101})}
