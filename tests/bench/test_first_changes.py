"""What ``python -m bench first-change FOLDER`` writes, reads and counts."""

import subprocess
import sys
from pathlib import Path

from bench.first_changes import MISSING, RUNNERS, Walk, line_of, terms_in, trial_seconds, verdict_seconds


def test_the_test_of_pytest_fails_until_the_file_is_there(tmp_path: Path) -> None:
    (tmp_path / RUNNERS["pytest"].file).write_text(RUNNERS["pytest"].text, encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest", "--disable-plugin-autoload"]
    before = subprocess.run(argv, cwd=tmp_path, capture_output=True)
    assert before.returncode == 1, before
    (tmp_path / MISSING).write_text("Hello\n", encoding="utf-8")
    after = subprocess.run(argv, cwd=tmp_path, capture_output=True)
    assert after.returncode == 0, after


def test_seconds_of_the_projects_own_checks_are_read_from_what_is_shown() -> None:
    shown = (
        "Trying test; Ctrl-C ends it, 2 s\x1b[K\r\n  test  npm test      \x1b[32m✓ pass\x1b[0m  49 tests in 3.8 s\r\n"
        "  lint  npm run lint  \x1b[33m! warning\x1b[0m  reports problems now, 1.1 s\r\n"
    )
    assert trial_seconds(shown) == 3.8 + 1.1
    assert trial_seconds(shown + "  test runs in a checkout: the same 49 passed\r\n") == 3.8 + 1.1 + 3.8
    assert verdict_seconds("Check 'test' passed (exit 0), 50 passed in 5.4 s, counted") == 5.4
    assert verdict_seconds("Unchanged since the phase started.") == 0


def test_ours_is_what_the_checks_of_the_project_did_not_take() -> None:
    walked = Walk("cors", 3, 3, {"install": 10.0, "init": 12.0, "agent": 9.0, "decision": 4.0}, 15.0, ("run", "gate"))
    assert walked.ours_s == 20
    assert line_of(walked).split()[:3] == ["cors", "3", "3"]
    assert line_of(walked).endswith("run, gate")


def test_concepts_are_the_terms_of_the_glossary_that_a_person_reads() -> None:
    assert terms_in("Two runs wait at a gate.") == ("run", "gate")
