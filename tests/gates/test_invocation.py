"""Which runner a command starts, and what is added to make it report."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wfe_mcp.gates.check import execution
from wfe_mcp.gates.invocation import ReportingCommand, ask_for_report, invocation
from wfe_mcp.workspace.config.checks import FrozenCheck

REPORT = Path("/e/r")
PYTEST = ("-o", "junit_family=xunit1", "--junitxml=/e/r.xml")


def asked_of(line: str, cwd: Path = Path("/none")) -> ReportingCommand:
    return ask_for_report(tuple(line.split()), cwd, REPORT)


@pytest.mark.parametrize(
    ("argv", "at"),
    [
        (("pytest", "-q"), 1),
        (("/venv/bin/pytest",), 1),
        (("C:\\venv\\Scripts\\pytest.exe", "-q"), 1),
        (("python", "-m", "pytest", "tests"), 3),
        (("uv", "run", "-q", "pytest"), 4),
        (("poetry", "run", "python", "-m", "pytest"), 5),
        (("coverage", "run", "-m", "pytest"), 4),
    ],
)
def test_pytest_is_asked_for_a_report(argv: tuple[str, ...], at: int) -> None:
    found = ask_for_report(argv, Path("/none"), REPORT)
    assert found.report == Path("/e/r.xml")
    assert found.argv == (*argv[:at], *PYTEST, *argv[at:])


@pytest.mark.parametrize(
    ("line", "added"),
    [
        ("python -m unittest discover -s tests", "python -m unittest discover -s tests -v"),
        ("npx jest src", "npx jest --json --outputFile=/e/r.json src"),
        ("npm exec -- jest", "npm exec -- jest --json --outputFile=/e/r.json"),
        (
            "node --experimental-vm-modules node_modules/jest/bin/jest.js",
            "node --experimental-vm-modules node_modules/jest/bin/jest.js --json --outputFile=/e/r.json",
        ),
        ("pnpm exec vitest run", "pnpm exec vitest --reporter=default --reporter=json --outputFile.json=/e/r.json run"),
        (
            "yarn vitest --reporter=verbose",
            "yarn vitest --reporter=json --outputFile.json=/e/r.json --reporter=verbose",
        ),
        ("npx playwright test", "npx playwright test --reporter=list,json"),
        ("go test ./...", "go test -json ./..."),
        ("go -C sub test ./...", "go -C sub test -json ./..."),
        ("bundle exec rspec -f doc", "bundle exec rspec --format json --out /e/r.json -f doc"),
        ("php vendor/bin/phpunit", "php vendor/bin/phpunit --log-junit /e/r.xml"),
        ("dotnet test", "dotnet test --logger trx --results-directory /e/r"),
        ("ctest --test-dir build", "ctest --output-junit /e/r.xml --test-dir build"),
        ("bats test", "bats --report-formatter junit --output /e/r test"),
        ("prove -r t", "prove -v -r t"),
    ],
)
def test_a_runner_is_asked_for_what_its_row_says(line: str, added: str) -> None:
    assert " ".join(asked_of(line).argv) == added


@pytest.mark.parametrize(
    ("line", "runner"),
    [
        ("cargo +nightly test", "cargo test"),
        ("cargo nextest run", "cargo nextest"),
        ("./mvnw -q clean verify", "Maven"),
        ("./gradlew :app:testDebugUnitTest", "Gradle"),
        ("gradlew.bat clean test", "Gradle"),
        ("bundle exec rake test", "minitest"),
        ("node --import tsx --test", "node:test"),
    ],
)
def test_other_runners_are_recognised(line: str, runner: str | None) -> None:
    found = invocation(tuple(line.split()), Path("/none"))
    assert (found and found.runner.name) == runner


@pytest.mark.parametrize(
    "line",
    [
        "make pytest",
        "uv run --with pytest x",
        "sh -c pytest",
        "go run . test",
        "cargo build",
        "node server.js --test",
        "playwright install",
        "npm exec jest",
        "npm test",
        "npm --prefix web test",
        "npm",
    ],
)
def test_other_commands_are_left_as_they_are(line: str) -> None:
    assert asked_of(line) == ReportingCommand(tuple(line.split()))


@pytest.mark.parametrize(
    "line",
    ["mocha --reporter spec", "node --test --test-reporter=tap", "npx vitest --outputFile.json=x", "rspec --out x"],
)
def test_a_command_that_chooses_its_report_keeps_it(line: str) -> None:
    found = asked_of(line)
    assert (" ".join(found.argv), found.report) == (line, None)


@pytest.mark.parametrize(
    "line", ["pytest --junitxml=own.xml", "pytest --junit-xml own.xml", "ctest --output-junit own.xml"]
)
def test_a_report_that_the_command_names_is_read(line: str) -> None:
    found = asked_of(line)
    assert (" ".join(found.argv), found.report, found.is_own) == (line, Path("own.xml"), True)
    plan = execution(FrozenCheck(name="t", argv=tuple(line.split()), timeout_s=1, cwd="sub"), Path("/p"), REPORT)
    assert plan.tests is not None
    assert (plan.tests.kind, plan.tests.folder, plan.tests.globs) == ("report", Path("/p/sub"), ("own.xml",))


def test_go_that_prints_json_already_is_read_from_its_output() -> None:
    found = asked_of("go test -json ./...")
    assert (" ".join(found.argv), found.in_log) == ("go test -json ./...", True)


SCRIPTS = {
    "test": "NODE_ENV=test cross-env CI=1 jest --coverage",
    "unit": "vitest run",
    "node": "node --test test/a.mjs",
    "two": "tsc && jest",
    "odd": "jest 'unclosed",
    "build": "tsc",
    "number": 3,
    "deep": "npm run lower",
    "lower": "npm run lowest -- --ci",
    "lowest": "jest --coverage",
    "through": "npm run lower --",
    "yarned": "yarn unit",
    "linted": "eslint . && npm run lowest",
    "both": "npm run lowest && npm run unit",
    "itself": "npm run itself && npm run itself",
    "piped": "npm run lowest | tee log",
}


@pytest.mark.parametrize(
    ("line", "added"),
    [
        ("npm test", "npm test -- --json --outputFile=/e/r.json"),
        ("npm t -s", "npm t -s -- --json --outputFile=/e/r.json"),
        ("npm test -- src", "npm test -- src --json --outputFile=/e/r.json"),
        ("yarn test", "yarn test --json --outputFile=/e/r.json"),
        ("pnpm run unit", "pnpm run unit --reporter=default --reporter=json --outputFile.json=/e/r.json"),
        ("npm run node", "npm run node"),
        ("npm run two", "npm run two -- --json --outputFile=/e/r.json"),
        ("npm run deep", "npm run deep -- -- --json --outputFile=/e/r.json"),
        ("npm run through", "npm run through -- --json --outputFile=/e/r.json"),
        ("pnpm deep", "pnpm deep -- --json --outputFile=/e/r.json"),
        ("npm run yarned", "npm run yarned -- --reporter=default --reporter=json --outputFile.json=/e/r.json"),
        ("npm run linted", "npm run linted -- -- --json --outputFile=/e/r.json"),
        ("npm run both", "npm run both"),
        ("npm run itself", "npm run itself"),
        ("npm run piped", "npm run piped"),
        ("npm run odd", "npm run odd"),
        ("npm run build", "npm run build"),
        ("npm run number", "npm run number"),
        ("npm test -- --json", "npm test -- --json"),
    ],
)
def test_a_script_of_package_json_is_followed(line: str, added: str, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"scripts": SCRIPTS}))
    assert " ".join(asked_of(line, tmp_path).argv) == added


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm on PATH")
@pytest.mark.parametrize("script", ["deep", "through", "linted", "test"])
def test_what_is_asked_for_arrives_at_the_runner_through_every_npm(script: str, tmp_path: Path) -> None:
    shown = f"{shlex.quote(sys.executable)} -c 'import sys; print(\"got\", *sys.argv[1:])'"
    scripts = {name: str(line).replace("jest", f"{shown} jest") for name, line in SCRIPTS.items()}
    scripts["test"], scripts["linted"] = "npm run deep", scripts["linted"].replace("eslint .", "echo linted")
    (tmp_path / "package.json").write_text(json.dumps({"scripts": SCRIPTS | {"test": "npm run deep"}}))
    argv = ask_for_report(("npm", "run", script), tmp_path, REPORT).argv
    (tmp_path / "package.json").write_text(json.dumps({"scripts": scripts}))
    npm = (shutil.which("npm") or "", *argv[1:])
    ran = subprocess.run(npm, cwd=tmp_path, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    got = next(line for line in ran.stdout.splitlines() if line.startswith("got "))
    assert got.endswith("--json --outputFile=/e/r.json"), ran.stdout


def test_node_in_a_script_gets_its_reporter_by_a_variable(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"scripts": SCRIPTS}))
    found = ask_for_report(("npm", "run", "node"), tmp_path, REPORT, {"NODE_OPTIONS": "--no-warnings"})
    assert found.env["NODE_OPTIONS"].startswith('--no-warnings "--test-reporter=spec"')
    assert '"--test-reporter-destination=/e/r.jsonl"' in found.env["NODE_OPTIONS"]


@pytest.mark.parametrize("text", ["", "[]", '{"scripts": 1}', "[" * 100_000])
def test_a_package_json_that_makes_no_sense_is_as_if_there_was_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(text)
    assert invocation(("npm", "test"), tmp_path) is None
