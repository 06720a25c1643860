"""A small project per test runner, in five states: red, green, without tests, crashing before its tests, and with a
dependency missing; how it is run for real (``LIVE``), and what the gate says of each state (``EXPECTED``).

Used by live runs (where the runner is installed), by the recordings of ``record_runners.py`` and by
``scripts/runners_page.py``, which makes the table of the documentation from it.
"""

from dataclasses import dataclass, field
from pathlib import Path

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


_UNITTEST = """import unittest


class Calc(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(1 + 1, 2)

    def test_bad(self):
        self.assertEqual(1, 2)

    @unittest.skip("later")
    def test_later(self):
        pass
"""
_NODE = """import assert from 'node:assert';
import test, { describe } from 'node:test';
test('adds', () => assert.equal(1 + 1, 2));
describe('suite', () => {
  test('bad', () => assert.equal(1, 2));
  test.skip('later', () => {});
});
"""
_JEST = """test('adds', () => { expect(1 + 1).toBe(2); });
describe('suite', () => {
  test('bad', () => { expect(1).toBe(2); });
  test.skip('later', () => {});
});
"""
_MOCHA = """const assert = require('assert');
it('adds', () => assert.equal(1 + 1, 2));
describe('suite', () => {
  it('bad', () => assert.equal(1, 2));
  it.skip('later', () => {});
});
"""
_GO = """package calc

import "testing"

func TestAdds(t *testing.T) {}

func TestBad(t *testing.T) {
	t.Run("inner", func(t *testing.T) {
		if 1 != 2 {
			t.Error("1 is not 2")
		}
	})
}

func TestLater(t *testing.T) { t.Skip() }
"""
_RUST = """#[cfg(test)]
mod tests {
    #[test]
    fn adds() { assert_eq!(1 + 1, 2); }
    #[test]
    fn bad() { assert_eq!(1, 2); }
    #[test]
    #[ignore]
    fn later() {}
}
"""
_RSPEC = """RSpec.describe "Calc" do
  it("adds") { expect(1 + 1).to eq(2) }
  it("bad") { expect(1).to eq(2) }
  xit("later") { }
end
"""
_MINITEST = """require "minitest/autorun"
class CalcTest < Minitest::Test
  def test_adds; assert_equal 2, 1 + 1; end
  def test_bad; assert_equal 1, 2; end
  def test_later; skip; end
end
"""
_PHP = """<?php
class CalcTest extends PHPUnit\\Framework\\TestCase {
    public function testAdds(): void { $this->assertSame(2, 1 + 1); }
    public function testBad(): void { $this->assertSame(1, 2); }
    public function testLater(): void { $this->markTestSkipped(); }
}
"""
_CTEST = """cmake_minimum_required(VERSION 3.10)
project(calc NONE)
enable_testing()
add_test(NAME adds COMMAND ${CMAKE_COMMAND} -E true)
add_test(NAME bad COMMAND ${CMAKE_COMMAND} -E false)
add_test(NAME later COMMAND ${CMAKE_COMMAND} -E true)
set_tests_properties(later PROPERTIES DISABLED TRUE)
"""
_BATS = """@test "adds" { [ 2 -eq 2 ]; }
@test "bad" { [ 1 -eq 2 ]; }
@test "later" { skip; }
"""
_TAP = """print "1..3\\nok 1 - adds\\nnot ok 2 - bad\\nok 3 - later # SKIP\\n";
"""
_JAVA = """import static org.junit.Assert.assertEquals;
import org.junit.Ignore;
import org.junit.Test;

public class CalcTest {
    @Test public void adds() { assertEquals(2, 1 + 1); }
    @Test public void bad() { assertEquals(1, 2); }
    @Ignore @Test public void later() { }
}
"""
_POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>x</groupId><artifactId>calc</artifactId><version>1</version>
<properties><maven.compiler.source>8</maven.compiler.source><maven.compiler.target>8</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<dependencies><dependency><groupId>junit</groupId><artifactId>junit</artifactId><version>4.x</version></dependency></dependencies>
</project>
"""
_CSHARP = """using Xunit;

public class CalcTest {
    [Fact] public void Adds() { Assert.Equal(2, 1 + 1); }
    [Fact] public void Bad() { Assert.Equal(1, 2); }
    [Fact(Skip = "later")] public void Later() { }
}
"""
_CSPROJ = """<Project Sdk="Microsoft.NET.Sdk">
<PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup>
<ItemGroup><PackageReference Include="Microsoft.NET.Test.Sdk" Version="17.10.0" />
<PackageReference Include="xunit" Version="2.8.1" /><PackageReference Include="xunit.runner.visualstudio" Version="2.8.1" />
</ItemGroup></Project>
"""
_GRADLE = """apply plugin: 'java'
dependencies { testCompile files('/usr/share/java/junit4.jar', '/usr/share/java/hamcrest-core.jar') }
"""


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
    _RUST,
    "(1, 2)",
    "(1, 1)",
    "pub fn x() {}\n",
    "fn x( {\n",
    "use no_such_crate::X;\n" + _RUST,
)
_CTEST_STATES = _states(
    "CMakeLists.txt",
    _CTEST,
    "-E false",
    "-E true",
    _CTEST.partition("add_test")[0],
    _CTEST,
    _CTEST.replace("${CMAKE_COMMAND} -E false", "no_such_program").replace(
        "${CMAKE_COMMAND} -E true", "no_such_program"
    ),
)

PROJECTS: dict[str, RunnerProject] = {
    "pytest": RunnerProject(("pytest", "-q", "-p", "no:cacheprovider"), _python()),
    "unittest": RunnerProject(
        ("python", "-m", "unittest"),
        _states(
            "test_calc.py", _UNITTEST, "(1, 2)", "(1, 1)", "x = 1\n", "def (\n", "import no_such_module\n" + _UNITTEST
        ),
    ),
    "node:test": RunnerProject(
        ("node", "--test"),
        _states(
            "calc.test.mjs",
            _NODE,
            "(1, 2)",
            "(1, 1)",
            "export {};\n",
            "this is not javascript (\n",
            "import x from 'no-such-package';\n" + _NODE,
        ),
    ),
    "jest": RunnerProject(("npx", "jest"), _javascript("calc.test.js", _JEST, "(1).toBe(2)"), {"package.json": "{}"}),
    "vitest": RunnerProject(
        ("npx", "vitest", "run"),
        _javascript("calc.test.js", _JEST, "(1).toBe(2)", "import { describe, expect, test } from 'vitest';\n"),
        {"package.json": "{}"},
    ),
    "mocha": RunnerProject(
        ("npm", "test"),
        _javascript("test/calc.js", _MOCHA, "(1, 2)"),
        {"package.json": '{"scripts": {"test": "mocha"}}'},
    ),
    "playwright": RunnerProject(
        ("npx", "playwright", "test"),
        _javascript(
            "tests/calc.spec.js",
            _JEST.replace("describe(", "test.describe("),
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
            _GO,
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
            _JAVA,
            "(1, 2)",
            "(1, 1)",
            "public class CalcTest { }\n",
            "public class {\n",
            "import no.such.Thing;\n" + _JAVA,
        ),
        {"pom.xml": _POM},
    ),
    "Gradle": RunnerProject(
        ("gradle", "--offline", "test"),
        _states(
            "src/test/java/CalcTest.java",
            _JAVA,
            "(1, 2)",
            "(1, 1)",
            "public class CalcTest { }\n",
            "public class {\n",
            "import no.such.Thing;\n" + _JAVA,
        ),
        {"build.gradle": _GRADLE},
    ),
    "dotnet test": RunnerProject(
        ("dotnet", "test"),
        _states(
            "CalcTest.cs",
            _CSHARP,
            "(1, 2)",
            "(1, 1)",
            "public class CalcTest { }\n",
            "public class {\n",
            "using No.Such.Thing;\n" + _CSHARP,
        ),
        {"Calc.csproj": _CSPROJ},
    ),
    "RSpec": RunnerProject(
        ("rspec",),
        _states(
            "spec/calc_spec.rb",
            _RSPEC,
            "(1).to eq(2)",
            "(1).to eq(1)",
            "",
            "RSpec.describe (\n",
            'require "no_such_gem"\n' + _RSPEC,
        ),
    ),
    "minitest": RunnerProject(
        ("rake", "test"),
        _states(
            "test/calc_test.rb",
            _MINITEST,
            "1, 2",
            "1, 1",
            'require "minitest/autorun"\n',
            "class (\n",
            'require "no_such_gem"\n' + _MINITEST,
        ),
        {"Rakefile": 'require "rake/testtask"\nRake::TestTask.new { |t| t.pattern = "test/*_test.rb" }\n'},
    ),
    "PHPUnit": RunnerProject(
        ("phpunit", "tests"),
        _states(
            "tests/CalcTest.php",
            _PHP,
            "(1, 2)",
            "(1, 1)",
            "<?php\n",
            "<?php class (\n",
            '<?php require "no_such.php"; ?>\n' + _PHP,
        ),
    ),
    "ctest": RunnerProject(
        ("ctest", "--test-dir", "build"), _CTEST_STATES, before=(("cmake", "-S", ".", "-B", "build"),)
    ),
    "bats": RunnerProject(
        ("bats", "test"),
        _states(
            "test/calc.bats",
            _BATS,
            "1 -eq 2",
            "1 -eq 1",
            "# none\n",
            '@test "adds" { (\n',
            "load no_such_helper\n" + _BATS,
        ),
    ),
    "TAP": RunnerProject(
        ("prove",),
        _states(
            "t/calc.t",
            _TAP,
            "not ok 2",
            "ok 2",
            'print "1..0 # SKIP none\\n";\n',
            "this is not perl (\n",
            "use No::Such::Module;\n" + _TAP,
        ),
    ),
}
"""By the runner's name."""
