"""scripts/check.py: its stages, their order and their environment."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import check


def test_a_stage_sees_what_it_needs_and_no_key() -> None:
    environment = {
        "PATH": "bin",
        "LC_ALL": "C",
        "UV_CACHE_DIR": "cache",
        "UV_PUBLISH_TOKEN": "secret",
        "OPENAI_API_KEY": "secret",
        "GITHUB_TOKEN": "secret",
        "WFE_DATABASE_URL": "mine",
        "WFE_PLACE": "bare",
    }

    seen = {"PATH": "bin", "LC_ALL": "C", "UV_CACHE_DIR": "cache", "WFE_PLACE": "bare"}
    assert check.visible(environment) == seen


def test_the_tests_run_once_and_by_the_words_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "false")
    runs = [step for steps in check.stages(tmp_path).values() for step in steps if step.measured]

    assert runs == [check.Step(["bash", "-c", check.readme_commands()[1]], measured=True, report="tests.xml")]


def test_in_ci_the_tests_run_in_a_clone_that_lies_elsewhere_and_so_do_those_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    (run,) = [step for steps in check.stages(tmp_path).values() for step in steps if step.measured]

    place = (str(check.COMMANDS / "python"), "scripts/places.py", str(tmp_path))
    assert (run.argv, run.report, run.python) == ([*place, "readme"], "tests.xml", place)


def test_a_failing_step_ends_its_stage(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    steps = [
        check.Step([sys.executable, "-c", f"print({word!r}); exit({code})"]) for word, code in [("a", 3), ("b", 0)]
    ]

    assert not check.passes("tried", steps, tmp_path)
    output = capfd.readouterr().out
    assert "tried: FAILED" in output
    assert "b" not in output.splitlines()


def test_stages_beside_each_other_print_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def says(name: str, code: int) -> list[check.Step]:
        return [
            check.Step([sys.executable, "-c", f"import sys; print('{name} of', {n}); sys.exit({code})"]) for n in (1, 2)
        ]

    known = {"one": says("one", 0), "two": says("two", 3), "three": says("three", 0)}

    def stages(_folder: Path) -> dict[str, list[check.Step]]:
        return known

    monkeypatch.setattr(check, "stages", stages)

    assert check.main([]) == 1
    output = capfd.readouterr().out
    lines = [line.split(",")[0] for line in output.splitlines() if line]
    for name, end in (("one", ["one of 1", "one of 2", "== one: ok"]), ("two", ["two of 1", "== two: FAILED"])):
        start = lines.index(f"== {name}")
        assert lines[start + 1 : start + 1 + len(end)] == end, output
    assert lines[-3:] == ["two said last:", "  two of 1", "failed: two"]


UNUSED = tuple(
    f"-pno:{name}" for name in ("xdist", "hypothesispytest", "inline_snapshot", "asyncio", "anyio", "examples")
)
"""Plugins that a small run of pytest need not load."""

BROKEN = """
import pytest

@pytest.fixture
def broken():
    raise OSError("no room")

def test_sums():
    assert 1 + 1 == 3, "two\\nand more"

def test_room(broken): pass

def test_passes(): pass
"""


def test_the_failed_tests_and_their_errors_are_said_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_broken.py").write_text(BROKEN, encoding="utf-8")
    (tmp_path / "test_unread.py").write_text("import nothing_of_this_name", encoding="utf-8")
    options = ["-q", "--continue-on-collection-errors", "-pno:cacheprovider", *UNUSED]
    argv = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    steps = {
        "tests": [check.Step(argv, report="tests.xml")],
        "later": [check.Step([sys.executable, "-c", "print('later')"])],
    }

    def stages(_: Path) -> dict[str, list[check.Step]]:
        return steps

    monkeypatch.setattr(check, "stages", stages)

    assert check.main([]) == 1
    output = capfd.readouterr().out
    _, end = output.split("== later: ok")
    _, blank, title, *tests, last = end.splitlines()
    assert (blank, title, last) == ("", "failed tests:", "failed: tests")
    assert [line.split("/")[-1].strip() for line in tests] == [
        "test_unread: collection failure",
        "test_broken.py::test_sums: AssertionError: two",
        'test_broken.py::test_room: failed on setup with "OSError: no room"',
    ]


UNSTEADY = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_the_second_time(number, request):
    seen = request.path.with_name(f"seen{{number}}")
    is_first = not seen.exists()
    seen.touch()
    assert not is_first, "too early"
"""


@pytest.mark.parametrize(("tests", "passes"), [(2, True), (check.UNSTEADY + 1, False)])
def test_few_tests_that_fail_once_fail_no_merge_and_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tests: int, passes: bool
) -> None:
    """A merge waits half an hour for 10,000 tests; one of them that was overtaken by another process says nothing of it."""
    (tmp_path / "pyproject.toml").write_text("[tool.pytest]\n", encoding="utf-8")
    (tmp_path / "test_unsteady.py").write_text(UNSTEADY.format(tests=tests), encoding="utf-8")
    steps = {"tests": [check.Step([sys.executable, "-m", "pytest", "-q", *UNUSED], report="tests.xml")]}

    def stages(_: Path) -> dict[str, list[check.Step]]:
        return steps

    monkeypatch.setattr(check, "stages", stages)
    monkeypatch.setattr(check, "ROOT", tmp_path)

    assert check.main([]) == (0 if passes else 1)
    title, *named, last = capfd.readouterr().out.splitlines()[-tests - 2 :]
    assert title == ("failed once, then passed; correct them:" if passes else "failed tests:")
    assert [name.split(": ")[0] for name in named] == [
        f"  test_unsteady.py::test_the_second_time[{number}]" for number in range(tests)
    ]
    assert last == ("all stages passed" if passes else "failed: tests")


def test_without_a_report_of_tests_the_stages_alone_are_named(tmp_path: Path) -> None:
    assert check.failed_tests(tmp_path / "tests.xml") == []


def test_a_test_that_starts_pytest_does_not_write_to_the_report() -> None:
    assert "PYTEST_ADDOPTS" not in os.environ


def test_a_stage_that_does_not_exist_is_a_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["lints"]) == 2
    assert "There are: web, tests, slow, demo, types" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="CI is a bash script; there is no bash here")
def test_ci_works_from_any_folder_and_passes_stages_on(root: Path, tmp_path: Path) -> None:
    listed = subprocess.run(
        ["bash", str(root / ".ci" / "run"), "--list"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        encoding="utf-8",
        env={"PATH": os.environ["PATH"]},
    )

    assert [line.split()[0] for line in listed.stdout.splitlines()][:3] == ["web", "web", "tests"]


@pytest.mark.skipif(os.name == "nt", reason="CI is Linux; nothing is installed elsewhere")
def test_ci_fails_where_it_could_have_a_chromium_and_has_none(root: Path, tmp_path: Path) -> None:
    (tmp_path / "apt-get").write_text('#!/bin/sh\necho "$@" >&2\n', encoding="utf-8")
    (tmp_path / "apt-get").chmod(0o755)

    def reported(**environment: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, str(root / "scripts" / "chromium.py")]
        env = {"PATH": str(tmp_path), **environment}
        return subprocess.run(argv, check=False, capture_output=True, encoding="utf-8", env=env)

    away, ci = reported(), reported(CI="true")
    assert (away.returncode, "Next: apt-get install chromium" in away.stdout) == (0, True)
    if os.geteuid() == 0:
        assert (ci.returncode, "chromium" in ci.stderr) == (1, True)
    else:
        assert ci.returncode == 0, f"where it cannot be installed, it only says so: {ci}"
    named = reported(CI="true", WFE_CHROMIUM=sys.executable)
    assert named.returncode == 0, named


@pytest.mark.skipif(os.name == "nt", reason="CI is Linux; nothing is installed elsewhere")
def test_ci_fails_where_no_postgresql_is_and_a_machine_of_ones_own_only_says_so(root: Path, tmp_path: Path) -> None:
    argv = [sys.executable, str(root / "scripts" / "postgres.py")]
    env = {"PATH": str(tmp_path), "WFE_POSTGRES": str(tmp_path)}

    def reported(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, check=False, capture_output=True, encoding="utf-8", env=env | environment)

    away, ci = reported(), reported(CI="true")
    assert (away.returncode, "Next: apt-get install postgresql" in away.stdout) == (0, True)
    assert (ci.returncode, "Next: apt-get install postgresql" in ci.stdout) == (1, True)


def test_in_ci_a_test_that_needs_postgresql_fails_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = "import os, sys; sys.exit(os.environ.get('WFE_POSTGRES_REQUIRED', '') != sys.argv[1])"
    for is_ci, given in (("true", "true"), ("false", "")):
        monkeypatch.setenv("CI", is_ci)
        assert check.exit_code(check.Step([sys.executable, "-c", asks, given]), tmp_path) == 0


def test_the_stores_tests_run_on_postgresql_also_when_they_are_run_once_more(tmp_path: Path) -> None:
    (store,) = check.stages(tmp_path)["postgresql"]
    asks = "import os, sys; sys.exit(os.environ.get('WFE_TEST_DATABASE') != 'postgresql')"
    assert check.exit_code(store._replace(argv=[sys.executable, "-c", asks]), tmp_path) == 0

    failed = '<testcase classname="tests.x" name="test_y"><failure message="no"/></testcase>'
    (tmp_path / "once.xml").write_text(f"<testsuite>{failed}</testsuite>", encoding="utf-8")
    again = store._replace(python=(sys.executable, "-c", asks), report="once.xml")
    assert check.pass_apart(again, tmp_path, None)


def places_script(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """scripts/places.py, whose imports are found as when it is run."""
    monkeypatch.setattr(sys, "path", [str(root / "scripts"), *sys.path])
    return importlib.import_module("places")


def test_each_commit_runs_the_readme_in_one_place_and_the_next_in_another(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WFE_PLACE", raising=False)
    places = places_script(root, monkeypatch)
    assert places.in_turn() in places.PLACES
    monkeypatch.setenv("WFE_PLACE", "space")
    assert " " in places.in_turn().folder


@pytest.mark.skipif(os.name == "nt", reason="namespaces of mounts are Linux's")
def test_a_bare_place_has_no_bubblewrap_and_no_chromium(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    places = places_script(root, monkeypatch)
    there = [each for each in places.HIDDEN if Path(each).exists()]
    words = places.hiding(["sh", "-c", 'for each; do test -x "$each" && exit 9; done; exit 0', "sh", *there])
    ended = subprocess.run(words, check=False)
    out = capfd.readouterr().out
    assert ended.returncode == 0 or "Nothing is hidden here" in out, out
