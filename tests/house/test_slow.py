"""tests/slow.toml: what the README's command leaves out to .ci/run."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check
from tests.slow import groups, is_slow


def test_what_is_named_exists(root: Path) -> None:
    names = [name for group in groups() for name in sorted(group.tests | group.but)]
    assert [name for name in names if not is_there(root, name)] == []
    assert all(group.why for group in groups())


def is_there(root: Path, name: str) -> bool:
    """Whether the folder, file or test exists."""
    file, _, function = name.partition("::")
    if not function:
        return (root / file).exists()
    return f"def {function.partition('[')[0]}(" in (root / file).read_text(encoding="utf-8")


def test_what_stays_would_be_slow_without_its_exception() -> None:
    for group in groups():
        for name in group.but:
            file, _, function = name.partition("::")
            assert function and (group.fixture or {file, name.partition("[")[0]} & group.tests), name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tests/docs/test_claude_tutorial.py::test_the_first_gated_change_goes_as_documented", True),
        ("tests/security/test_terminals.py::test_trust_from_the_clients_shell_is_refused", True),
        ("tests/security/test_terminals.py::test_a_person_at_a_terminal_of_their_own_decides", False),
        ("tests/gates/test_runners.py::test_a_real_run_has_its_verdict_and_count[jest-red]", True),
        ("tests/gates/test_runners.py::test_a_recorded_run_has_its_verdict_and_count[jest-red]", False),
        ("tests/clients/real/test_capabilities.py::test_x", True),
        ("tests/clients/test_table.py::test_x", False),
    ],
)
def test_a_folder_a_file_a_test_and_an_exception_are_distinguished(name: str, expected: bool) -> None:
    assert is_slow(name) is expected


def test_a_test_is_slow_by_a_fixture_that_it_uses() -> None:
    test = "tests/dashboard/test_in_chromium.py::test_x"
    assert is_slow(test, ["tab", "chromium"]) and not is_slow(test, ["tab"])
    assert not is_slow("tests/dashboard/test_in_chromium.py::test_a_passkey_approves", ["chromium"])


@pytest.mark.parametrize(
    ("arguments", "fast", "slow"),
    [
        (["tests/security/test_fuzz.py", "tests/tools/test_client.py"], True, False),
        (["-m", "slow", "tests/tools/test_client.py"], False, True),
        (["-m", "", "tests/tools/test_client.py"], True, True),
        (["tests/tools/test_client.py::test_no_answer_in_time_may_have_happened"], False, True),
    ],
    ids=["by default", "slow", "all", "by name"],
)
def test_slow_tests_run_where_they_are_asked_for(root: Path, arguments: list[str], fast: bool, slow: bool) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done
    found = {line for line in done.stdout.splitlines() if "::" in line}
    assert any(is_slow(name) for name in found) is slow, done.stdout
    assert any(not is_slow(name) for name in found) is fast, done.stdout


def test_a_merge_needs_the_slow_tests_too(tmp_path: Path) -> None:
    """Each in one stage: an attack is played against the installed wheel, slow or not."""
    stages = check.stages(tmp_path)
    (slow,) = (step.argv for step in stages["slow"])
    assert slow[slow.index("-m", 3) + 1] == "slow and not attack"
    assert [step.argv[1:] for step in stages["attacks"]] == [["-m", "bench", "attacks"]], (
        "with words it plays some only"
    )
