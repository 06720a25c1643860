"""A small project per test runner, in five states: red, green, without tests, crashing before its tests, and with a
dependency missing; how it is run for real (``LIVE``), and what the gate says of each state (``EXPECTED``).

Used by live runs (where the runner is installed), by the recordings of ``record_runners.py`` and by
``scripts/runners_page.py``, which makes the table of the documentation from it.
"""

from dataclasses import dataclass, field
from pathlib import Path

from tests.gates import runner_sources as sources

CASES = ("red", "green", "none", "crash", "missing")


@dataclass(frozen=True)
class RunnerProject:
    """``files`` are in every case; ``cases``: further files by case, ``{}`` for a case that needs none.

    ``before``: commands that a recording runs first, such as a build; they are not part of the check.
    """

    argv: tuple[str, ...]
    cases: dict[str, dict[str, str]]
    files: dict[str, str] = field(default_factory=dict[str, str])
    before: tuple[tuple[str, ...], ...] = ()

    def write(self, root: Path, case: str) -> None:
        """Write the project in the state ``case``."""
        for name, content in (self.files | self.cases[case]).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")


def _python() -> dict[str, dict[str, str]]:
    red = "def test_adds():\n    assert 1 + 1 == 2\n\n\ndef test_bad():\n    assert 1 == 2\n\n\n@pytest.mark.skip\ndef test_later():\n    pass\n"
    return {
        "red": {"test_calc.py": f"import pytest\n\n\n{red}"},
        "green": {"test_calc.py": f"import pytest\n\n\n{red.replace('assert 1 == 2', 'assert 1 == 1')}"},
        "none": {"test_calc.py": "x = 1\n"},
        "crash": {"test_calc.py": "def test_adds(:\n"},
        "missing": {"test_calc.py": "import no_such_module\n\n\ndef test_adds():\n    pass\n"},
    }


def _states(name: str, red: str, old: str, new: str, none: str, crash: str, missing: str) -> dict[str, dict[str, str]]:
    return {
        "red": {name: red},
        "green": {name: red.replace(old, new)},
        "none": {name: none} if none else {},
        "crash": {name: crash},
        "missing": {name: missing},
    }


def _javascript(name: str, red: str, old: str, header: str = "") -> dict[str, dict[str, str]]:
    missing = "import x from 'no-such-package';\n" if header else "const x = require('no-such-package');\n"
    return _states(
        name, header + red, old, old.replace("2", "1"), "", "this is not javascript (\n", missing + header + red
    )


_CARGO = {"Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2021"\n'}
_RUST_STATES = _states(
    "src/lib.rs",
    sources.RUST,
    "(1, 2)",
    "(1, 1)",
    "pub fn x() {}\n",
    "fn x( {\n",
    "use no_such_crate::X;\n" + sources.RUST,
)
_CTEST_STATES = _states(
    "CMakeLists.txt",
    sources.CTEST,
    "-E false",
    "-E true",
    sources.CTEST.partition("add_test")[0],
    sources.CTEST,
    sources.CTEST.replace("${CMAKE_COMMAND} -E false", "no_such_program").replace(
        "${CMAKE_COMMAND} -E true", "no_such_program"
    ),
)

PROJECTS: dict[str, RunnerProject] = {
    "pytest": RunnerProject(("pytest", "-q", "-p", "no:cacheprovider"), _python()),
    "unittest": RunnerProject(
        ("python", "-m", "unittest"),
        _states(
            "test_calc.py",
            sources.UNITTEST,
            "(1, 2)",
            "(1, 1)",
            "x = 1\n",
            "def (\n",
            "import no_such_module\n" + sources.UNITTEST,
        ),
    ),
    "node:test": RunnerProject(
        ("node", "--test"),
        _states(
            "calc.test.mjs",
            sources.NODE,
            "(1, 2)",
            "(1, 1)",
            "export {};\n",
            "this is not javascript (\n",
            "import x from 'no-such-package';\n" + sources.NODE,
        ),
    ),
    "jest": RunnerProject(
        ("npx", "jest"), _javascript("calc.test.js", sources.JEST, "(1).toBe(2)"), {"package.json": "{}"}
    ),
    "vitest": RunnerProject(
        ("npx", "vitest", "run"),
        _javascript("calc.test.js", sources.JEST, "(1).toBe(2)", "import { describe, expect, test } from 'vitest';\n"),
        {"package.json": "{}"},
    ),
    "mocha": RunnerProject(
        ("npm", "test"),
        _javascript("test/calc.js", sources.MOCHA, "(1, 2)"),
        {"package.json": '{"scripts": {"test": "mocha"}}'},
    ),
    "playwright": RunnerProject(
        ("npx", "playwright", "test"),
        _javascript(
            "tests/calc.spec.js",
            sources.JEST.replace("describe(", "test.describe("),
            "(1).toBe(2)",
            "import { expect, test } from '@playwright/test';\n",
        )
        | {
            "missing": {
                "tests/calc.spec.js": "import { test } from '@playwright/test';\ntest('opens', async ({ page }) => { await page.goto('about:blank'); });\n"
            }
        },
        {"package.json": '{"type": "module"}', "playwright.config.js": "export default { testDir: 'tests' };\n"},
    ),
    "go test": RunnerProject(
        ("go", "test", "./..."),
        _states(
            "calc_test.go",
            sources.GO,
            "1 != 2",
            "1 != 1",
            "package calc\n",
            "package calc\n\nfunc TestAdds(\n",
            'package calc\n\nimport _ "example.com/no/such"\n',
        ),
        {"go.mod": "module example.com/calc\n\ngo 1.19\n", "calc.go": "package calc\n"},
    ),
    "cargo test": RunnerProject(("cargo", "test"), _RUST_STATES, _CARGO),
    "cargo nextest": RunnerProject(("cargo", "nextest", "run"), _RUST_STATES, _CARGO),
    "Maven": RunnerProject(
        ("mvn", "-o", "-q", "test"),
        _states(
            "src/test/java/CalcTest.java",
            sources.JAVA,
            "(1, 2)",
            "(1, 1)",
            "public class CalcTest { }\n",
            "public class {\n",
            "import no.such.Thing;\n" + sources.JAVA,
        ),
        {"pom.xml": sources.POM},
    ),
    "Gradle": RunnerProject(
        ("gradle", "--offline", "test"),
        _states(
            "src/test/java/CalcTest.java",
            sources.JAVA,
            "(1, 2)",
            "(1, 1)",
            "public class CalcTest { }\n",
            "public class {\n",
            "import no.such.Thing;\n" + sources.JAVA,
        ),
        {"build.gradle": sources.GRADLE},
    ),
    "dotnet test": RunnerProject(
        ("dotnet", "test"),
        _states(
            "CalcTest.cs",
            sources.CSHARP,
            "(1, 2)",
            "(1, 1)",
            "public class CalcTest { }\n",
            "public class {\n",
            "using No.Such.Thing;\n" + sources.CSHARP,
        ),
        {"Calc.csproj": sources.CSPROJ},
    ),
    "RSpec": RunnerProject(
        ("rspec",),
        _states(
            "spec/calc_spec.rb",
            sources.RSPEC,
            "(1).to eq(2)",
            "(1).to eq(1)",
            "",
            "RSpec.describe (\n",
            'require "no_such_gem"\n' + sources.RSPEC,
        ),
    ),
    "minitest": RunnerProject(
        ("rake", "test"),
        _states(
            "test/calc_test.rb",
            sources.MINITEST,
            "1, 2",
            "1, 1",
            'require "minitest/autorun"\n',
            "class (\n",
            'require "no_such_gem"\n' + sources.MINITEST,
        ),
        {"Rakefile": 'require "rake/testtask"\nRake::TestTask.new { |t| t.pattern = "test/*_test.rb" }\n'},
    ),
    "PHPUnit": RunnerProject(
        ("phpunit", "tests"),
        _states(
            "tests/CalcTest.php",
            sources.PHP,
            "(1, 2)",
            "(1, 1)",
            "<?php\n",
            "<?php class (\n",
            '<?php require "no_such.php"; ?>\n' + sources.PHP,
        ),
    ),
    "ctest": RunnerProject(
        ("ctest", "--test-dir", "build"), _CTEST_STATES, before=(("cmake", "-S", ".", "-B", "build"),)
    ),
    "bats": RunnerProject(
        ("bats", "test"),
        _states(
            "test/calc.bats",
            sources.BATS,
            "1 -eq 2",
            "1 -eq 1",
            "# none\n",
            '@test "adds" { (\n',
            "load no_such_helper\n" + sources.BATS,
        ),
    ),
    "deno test": RunnerProject(
        ("deno", "test"),
        _states(
            "calc_test.ts",
            sources.DENO,
            "!== 2) throw new Error('1",
            "!== 1) throw new Error('1",
            "",
            "Deno.test('adds', (\n",
            "import './no_such_module.ts';\n" + sources.DENO,
        ),
    ),
    "ExUnit": RunnerProject(
        ("mix", "test"),
        _states(
            "test/calc_test.exs",
            sources.EXUNIT,
            "assert 1 == 2",
            "assert 1 == 1",
            "defmodule CalcTest do\nend\n",
            "defmodule (\n",
            sources.EXUNIT.replace("ExUnit.Case", "NoSuchCase"),
        ),
        {
            "mix.exs": 'defmodule Calc.MixProject do\n  use Mix.Project\n\n  def project, do: [app: :calc, version: "0.1.0"]\nend\n',
            "test/test_helper.exs": "ExUnit.start()\n",
        },
    ),
    "TAP": RunnerProject(
        ("prove",),
        _states(
            "t/calc.t",
            sources.TAP,
            "not ok 2",
            "ok 2",
            'print "1..0 # SKIP none\\n";\n',
            "this is not perl (\n",
            "use No::Such::Module;\n" + sources.TAP,
        ),
    ),
}
"""By the runner's name."""
