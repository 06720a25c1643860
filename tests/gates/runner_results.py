"""What the gates read from the output of each runner, in each state of its project, and where it is run live."""

import sys
from dataclasses import dataclass
from typing import Literal

from tests.gates.runner_projects import PROJECTS


@dataclass(frozen=True)
class Live:
    """How a test runs a runner for real. ``needs``: what must be had beside its program; skipped with the reason otherwise."""

    argv: tuple[str, ...]
    needs: Literal["", "npm", "nextest", "maven", "gradle"] = ""


_NPM = ("jest", "playwright", "vitest")
_PATH = ("go test", "RSpec", "minitest", "PHPUnit", "ctest", "bats", "ExUnit", "TAP")


LIVE: dict[str, Live] = (
    {
        "pytest": Live((sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider")),
        "unittest": Live((sys.executable, "-m", "unittest")),
        "node:test": Live(("node", "--test")),
        "cargo test": Live(("cargo", "test", "--offline", "--target-dir", "target")),
        "cargo nextest": Live(("cargo", "nextest", "run", "--offline", "--target-dir", "target"), "nextest"),
        "Maven": Live(PROJECTS["Maven"].argv, "maven"),
        "Gradle": Live((*PROJECTS["Gradle"].argv, "--no-daemon"), "gradle"),
    }
    | {runner: Live((f"node_modules/.bin/{runner}", *PROJECTS[runner].argv[2:]), "npm") for runner in _NPM}
    | {"mocha": Live(PROJECTS["mocha"].argv, "npm"), "deno test": Live(("node_modules/.bin/deno", "test"), "npm")}
    | {runner: Live(PROJECTS[runner].argv) for runner in _PATH}
)
"""Those that a test runs for real. Their directories of packages have no dotnet."""


EXPECTED: dict[str, dict[str, str]] = {
    "pytest": {
        "from": "reporter",
        "bad": "test_calc.py::test_bad",
        "none": "pytest ended without finding tests",
        "crash": "pytest ended while collecting",
        "missing": "a module is missing",
    },
    "unittest": {
        "from": "printed",
        "bad": "test_bad (test_calc.Calc.test_bad)",
        "none": "unittest ended without finding tests",
        "crash": "unittest ended while loading the tests",
        "missing": "a module is missing",
    },
    "node:test": {
        "from": "reporter",
        "bad": "calc.test.mjs::suite > bad",
        "none": "node:test ended without finding tests",
        "crash": "there is a syntax error",
        "missing": "a module is missing",
    },
    "jest": {
        "from": "reporter",
        "bad": "calc.test.js::suite > bad",
        "none": "jest ended without finding tests",
        "crash": "there is a syntax error",
        "missing": "a module is missing",
    },
    "vitest": {
        "from": "reporter",
        "bad": "calc.test.js::suite > bad",
        "none": "vitest ended without finding tests",
        "crash": "vitest ended before its tests",
        "missing": "a module is missing",
    },
    "mocha": {
        "from": "reporter",
        "bad": "test/calc.js::suite > bad",
        "none": "mocha ended without finding tests",
        "crash": "there is a syntax error",
        "missing": "a module is missing",
    },
    "playwright": {
        "from": "reporter",
        "bad": "tests/calc.spec.js::suite > bad",
        "none": "playwright ended without finding tests",
        "crash": "there is a syntax error",
        "missing": "because its browser is not installed",
    },
    "go test": {
        "from": "reporter",
        "bad": "example.com/calc::TestBad > inner",
        "none": "go test ended without finding tests",
        "crash": "because it did not build",
        "missing": "a module is missing",
    },
    "cargo test": {
        "from": "printed",
        "bad": "tests::bad",
        "none": "cargo test ended without finding tests",
        "crash": "because it did not compile",
        "missing": "because it did not compile",
    },
    "cargo nextest": {
        "from": "printed",
        "bad": "tests::bad",
        "none": "cargo nextest ended without finding tests",
        "crash": "because it did not compile",
        "missing": "because it did not compile",
    },
    "Maven": {
        "from": "reporter",
        "bad": "CalcTest::bad",
        "none": "Maven ended without writing target/surefire-reports/TEST-*.xml",
        "crash": "because it did not compile",
        "missing": "because it did not compile",
    },
    "Gradle": {
        "from": "reporter",
        "bad": "CalcTest::bad",
        "none": "Gradle ended without writing build/test-results/*/TEST-*.xml",
        "crash": "because it did not compile",
        "missing": "because it did not compile",
    },
    "dotnet test": {
        "from": "reporter",
        "bad": "CalcTest.Bad",
        "none": "dotnet test ended without finding tests",
        "crash": "dotnet test ended because it did not build",
        "missing": "dotnet test ended because it did not build",
    },
    "RSpec": {
        "from": "reporter",
        "bad": "spec/calc_spec.rb::Calc > bad",
        "none": "RSpec ended without finding tests",
        "crash": "RSpec ended while loading the examples",
        "missing": "a module is missing",
    },
    "minitest": {
        "from": "printed",
        "bad": "CalcTest#test_bad",
        "none": "minitest ended without finding tests",
        "crash": "there is a syntax error",
        "missing": "a module is missing",
    },
    "PHPUnit": {
        "from": "reporter",
        "bad": "tests/CalcTest.php::testBad",
        "none": "PHPUnit ended without finding tests",
        "crash": "there is a syntax error",
        "missing": "PHPUnit ended with a PHP error",
    },
    "ctest": {
        "from": "reporter",
        "bad": "bad::bad",
        "none": "ctest ended without finding tests",
        "crash": "ctest ended before its tests",
        "missing": "because the test programs are not built",
    },
    "bats": {
        "from": "reporter",
        "bad": "calc.bats::bad",
        "none": "bats ended without finding tests",
        "crash": "there is a syntax error",
        "missing": "bats ended before its tests",
    },
    "deno test": {
        "from": "reporter",
        "bad": "calc_test.ts::bad",
        "none": "deno test ended without finding tests",
        "crash": "deno test ended while loading the tests",
        "missing": "deno test ended while loading the tests",
    },
    "ExUnit": {
        "from": "printed",
        "bad": "bad (CalcTest)",
        "none": "ExUnit ended without finding tests",
        "crash": "ExUnit ended because it did not compile",
        "missing": "ExUnit ended because it did not compile",
    },
    "TAP": {
        "from": "printed",
        "bad": "bad",
        "none": "TAP ended without finding tests",
        "crash": "TAP ended before its tests",
        "missing": "TAP ended before its tests",
    },
}
"""By runner: where the counts come from, the id of the failing test, and what the gate says of the other three states."""
