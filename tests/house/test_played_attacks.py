"""``python -m bench attacks`` counts an attack as open where its test failed or did not run."""

from pathlib import Path

import pytest

from bench.attacks import OPEN, UNPLAYED, main, outcomes, report
from scripts.generate_attacks import Attack

REPORT = """<testsuites><testsuite>
<testcase classname="tests.security.test_a" name="test_held"/>
<testcase classname="tests.security.test_a" name="test_rows[one]"/>
<testcase classname="tests.security.test_a" name="test_rows[two]"><failure message="it had its way&#10;more"/></testcase>
<testcase classname="tests.security.test_a" name="test_rows[three]"/>
<testcase classname="tests.security.test_a" name="test_elsewhere"><skipped message="needs Windows"/></testcase>
</testsuite></testsuites>"""


def attack(name: str, verdict: str = "held") -> Attack:
    return Attack("T1", name, verdict, f"tests/security/test_a.py::test_{name}")


@pytest.fixture
def results(tmp_path: Path) -> dict[str, str]:
    (file := tmp_path / "attacks.xml").write_text(REPORT, encoding="utf-8")
    return outcomes(file)


def test_one_failed_row_of_a_test_makes_its_attack_open(results: dict[str, str]) -> None:
    assert results == {
        "tests/security/test_a.py::test_held": "",
        "tests/security/test_a.py::test_rows": f"{OPEN}: it had its way",
        "tests/security/test_a.py::test_elsewhere": f"{UNPLAYED}: needs Windows",
    }


def test_the_counts_are_by_what_was_seen_and_an_open_attack_fails(
    results: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report([attack("held"), attack("elsewhere")], results) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 held, 0 detected, 0 declared, 0 open, 1 not played"
    assert report([attack("held", "detected"), attack("rows"), attack("absent")], results) == 1
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == "0 held, 1 detected, 0 declared, 2 open, 0 not played"
    assert "open: it had its way\n    rows (T1) tests/security/test_a.py::test_rows" in told
    assert "open: its test did not run" in told


def test_words_that_no_attack_has_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no attack is called like this"]) == 2
    assert "docs/reference/attacks.md" in capsys.readouterr().err
