"""The test runners that are recognised: how their argv looks, what is added to it, and how their results are read.

Rules:
1. The server adds options only to a command that does not itself ask for a report, and only the ones in this table:
   no value from an agent reaches an argv.
2. A runner that was asked for a report and wrote none has no count: what it printed does not replace the report.
3. Where no option can be added (cargo, unittest, minitest), the printed results of that runner count, as printed text.
4. A row's ``deaths`` only explain why no test ran; whether one ran is decided by the count.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.gates import json_reports
from wfe_mcp.gates.results import TestResults
from wfe_mcp.gates.xml_reports import parse_junit, parse_trx

REPORT = "{report}"
"""Stands for the path of the report in words and variables; ``{node_reporter}`` and ``{mocha_reporter}`` for the files here."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """What the server adds so that a runner writes a machine-readable report."""

    words: tuple[str, ...] = ()
    """They follow the program; with ``at`` "end" they end the command."""
    env: Mapping[str, str] | None = None
    show: tuple[str, ...] = ()
    """Added before ``words`` unless the command chooses its display by one of ``shows``."""
    shows: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    """Nothing is added where the command has one of these."""
    own: tuple[str, ...] = ()
    """Options by which the command names the path of its own report; that one is read."""
    at: Literal["program", "end"] = "program"
    place: Literal["file", "folder", "stdout"] = "file"
    """What is at the path, or "stdout"."""
    suffix: str = ".xml"
    linger_s: float = 0.0
    """Seconds that a process gets to write its report after the runner has exited."""
    script_env: Mapping[str, str] | None = None
    """Variables that replace ``words`` where the runner is started by a script of package.json."""


@dataclass(frozen=True, slots=True)
class Runner:
    """One runner."""

    name: str
    programs: frozenset[str]
    """The names of its program."""
    verbs: tuple[str, ...] = ()
    """One of these follows the program, if there are any."""
    is_goal: bool = False
    """Other goals may come before the verb."""
    reporter: Reporter | None = None
    files: tuple[str, ...] = ()
    """Globs, below the folder of the check, of reports that it writes unasked."""
    parse: Callable[[bytes], TestResults] = parse_junit
    adds: Reporter | None = None
    """Words and variables that make it print more, where it has no reporter."""
    readable: Callable[[str], str] = str
    """Its output as a person reads it."""
    deaths: tuple[tuple[str | int, str], ...] = ()
    prints: tuple[str, ...] = ()
    """Rows of ``printed.PRINTED`` that read its output; by default the one of its name."""


def _depths(folder: str) -> tuple[str, ...]:
    """A folder of each module of a project, to a depth of four, without a search of everything."""
    return tuple(f"{'*/' * depth}{folder}" for depth in range(4))


def fill_paths(text: str, report: Path) -> str:
    """``text`` with the paths that its names in braces stand for."""
    places = {
        REPORT: report.as_posix(),
        # An address, since a path with a drive letter is none to the loader of modules.
        "{node_reporter}": Path(__file__).with_name("node_reporter.mjs").as_uri(),
        "{mocha_reporter}": Path(__file__).with_name("mocha_reporter.cjs").as_posix(),
    }
    for name, place in places.items():
        text = text.replace(name, place)
    return text


_NODE_WORDS = (
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter={node_reporter}",
    "--test-reporter-destination={report}",
)
_NO_TESTS = "without finding tests"

RUNNERS: tuple[Runner, ...] = (
    Runner(
        "pytest",
        frozenset({"pytest", "py.test"}),
        # xunit1, since only it names each test's file.
        reporter=Reporter(("-o", "junit_family=xunit1", "--junitxml={report}"), own=("--junitxml", "--junit-xml")),
        deaths=((2, "while collecting"), (3, "with an error of its own"), (4, "with wrong usage"), (5, _NO_TESTS)),
    ),
    Runner(
        "unittest",
        frozenset({"unittest"}),
        adds=Reporter(("-v",), unless=("-v", "--verbose", "-q", "--quiet"), at="end"),
        deaths=((5, _NO_TESTS), ("NO TESTS RAN", _NO_TESTS), (r"_FailedTest", "while loading the tests")),
    ),
    Runner(
        "node:test",
        frozenset({"node", "nodejs"}),
        ("--test",),
        reporter=Reporter(
            _NODE_WORDS,
            unless=("--test-reporter", "--test-reporter-destination"),
            suffix=".jsonl",
            script_env={"NODE_OPTIONS": " ".join(f'"{word}"' for word in _NODE_WORDS)},
        ),
        parse=json_reports.parse_node,
        deaths=(("Could not find '", _NO_TESTS),),
        prints=("node:test", "TAP"),
    ),
    Runner(
        "jest",
        frozenset({"jest", "jest.js"}),
        reporter=Reporter(
            ("--json", "--outputFile={report}"), unless=("--json",), own=("--outputFile",), suffix=".json"
        ),
        parse=json_reports.parse_jest,
        deaths=(("No tests found", _NO_TESTS),),
    ),
    Runner(
        "vitest",
        frozenset({"vitest", "vitest.mjs"}),
        reporter=Reporter(
            ("--reporter=json", "--outputFile.json={report}"),
            show=("--reporter=default",),
            shows=("--reporter",),
            unless=("--outputFile", "--outputFile.json"),
            suffix=".json",
        ),
        parse=json_reports.parse_jest,
        deaths=(("No test files found", _NO_TESTS),),
    ),
    Runner(
        "mocha",
        frozenset({"mocha", "_mocha", "mocha.js"}),
        reporter=Reporter(
            ("--reporter", "{mocha_reporter}", "-O", "output={report}"),
            unless=("--reporter", "-R", "--reporter-option", "--reporter-options", "-O"),
            suffix=".json",
        ),
        parse=json_reports.parse_mocha,
        deaths=(("No test files found", _NO_TESTS),),
    ),
    Runner(
        "playwright",
        frozenset({"playwright"}),
        ("test",),
        reporter=Reporter(
            ("--reporter=list,json",),
            unless=("--reporter",),
            suffix=".json",
            env={"PLAYWRIGHT_JSON_OUTPUT_NAME": REPORT, "PLAYWRIGHT_JSON_OUTPUT_FILE": REPORT},
        ),
        parse=json_reports.parse_playwright,
        deaths=(("No tests found", _NO_TESTS), ("Executable doesn't exist", "because its browser is not installed")),
    ),
    Runner(
        "go test",
        frozenset({"go"}),
        ("test",),
        reporter=Reporter(("-json",), unless=("-json", "--json"), place="stdout"),
        parse=json_reports.parse_go,
        readable=json_reports.go_text,
        deaths=(
            (r"\[build failed\]|\[setup failed\]", "because it did not build"),
            (r"\[no test files\]|no packages to test", _NO_TESTS),
        ),
    ),
    Runner(
        "cargo nextest",
        frozenset({"cargo"}),
        ("nextest",),
        deaths=((4, _NO_TESTS), (r"could not compile", "because it did not compile")),
    ),
    Runner(
        "cargo test",
        frozenset({"cargo"}),
        ("test", "t"),
        deaths=((r"could not compile", "because it did not compile"),),
    ),
    Runner(
        "Maven",
        frozenset({"mvn", "mvnw", "mvnd"}),
        ("test", "verify", "package", "install", "surefire:test", "integration-test"),
        is_goal=True,
        files=(*_depths("target/surefire-reports/TEST-*.xml"), *_depths("target/failsafe-reports/TEST-*.xml")),
        deaths=(("COMPILATION ERROR", "because it did not compile"), ("No tests to run", _NO_TESTS)),
    ),
    Runner(
        "Gradle",
        frozenset({"gradle", "gradlew"}),
        ("test", "check", "build", "*test*", "*Test*", "*:check", "*:build"),
        is_goal=True,
        files=_depths("build/test-results/*/TEST-*.xml"),
        deaths=(
            (r"Task (?=\S*compile)\S+ FAILED|:compile[^\s:]* FAILED|Compilation failed", "because it did not compile"),
            (r"test UP-TO-DATE", "without running its tests again (they are up to date)"),
        ),
    ),
    Runner(
        "RSpec",
        frozenset({"rspec"}),
        reporter=Reporter(
            ("--format", "json", "--out", REPORT),
            show=("--format", "progress"),
            shows=("--format", "-f"),
            unless=("--out", "-o"),
            suffix=".json",
        ),
        parse=json_reports.parse_rspec,
        deaths=(
            ("error occurred outside of examples|errors occurred outside of examples", "while loading the examples"),
        ),
    ),
    Runner(
        "minitest",
        frozenset({"rake", "rails", "minitest"}),
        ("test", "*test", "spec"),
        is_goal=True,
        adds=Reporter(env={"TESTOPTS": "-v"}),
    ),
    Runner(
        "PHPUnit",
        frozenset({"phpunit", "pest", "paratest"}),
        reporter=Reporter(("--log-junit", REPORT), own=("--log-junit",)),
        deaths=(("No tests executed", _NO_TESTS), ("PHP Fatal error|PHP Parse error|ParseError", "with a PHP error")),
    ),
    Runner(
        "dotnet test",
        frozenset({"dotnet"}),
        ("test",),
        reporter=Reporter(
            ("--logger", "trx", "--results-directory", REPORT),
            unless=("--logger", "-l", "--results-directory", "-r", "--report-trx"),
            place="folder",
            suffix=".trx",
        ),
        parse=parse_trx,
        deaths=((r"error CS\d+|Build FAILED", "because it did not build"), ("No test is available", _NO_TESTS)),
    ),
    Runner(
        "ctest",
        frozenset({"ctest"}),
        reporter=Reporter(("--output-junit", REPORT), own=("--output-junit",)),
        deaths=(
            ("No tests were found", _NO_TESTS),
            ("Unable to find executable|Could not find executable", "because the test programs are not built"),
        ),
    ),
    Runner(
        "bats",
        frozenset({"bats"}),
        reporter=Reporter(
            ("--report-formatter", "junit", "--output", REPORT),
            unless=("--report-formatter", "-o", "--output"),
            place="folder",
            linger_s=60,  # bats pipes into its formatter and does not wait for it
        ),
        prints=("bats", "TAP"),
    ),
    Runner(
        "deno test",
        frozenset({"deno"}),
        ("test",),
        reporter=Reporter(("--junit-path={report}",), own=("--junit-path",)),
        deaths=(("No test modules found", _NO_TESTS), ("Type checking failed|SyntaxError", "while loading the tests")),
    ),
    Runner(
        "ExUnit",
        frozenset({"mix"}),
        ("test",),
        deaths=(
            (r"There are no tests to run|\n0 failures\n", _NO_TESTS),
            ("Compilation error in file", "because it did not compile"),
        ),
    ),
    Runner(
        "TAP",
        frozenset({"prove"}),  # to tape `-v` takes a value: the file of the tests would be lost
        adds=Reporter(("-v",), unless=("-v", "--verbose")),
        deaths=(("Result: NOTESTS", _NO_TESTS),),
    ),
)
"""In the order in which a command is compared with them."""
