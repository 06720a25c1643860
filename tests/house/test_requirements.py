"""Each promise has a test or a reason, and each test names promises that exist."""

from pathlib import Path

import pytest

from scripts import generate_requirements as requirements

TEST = 'import pytest\n\n\n@pytest.mark.requirement("S0-01")\ndef test_it() -> None: ...\n'
MANIFEST = '[ids]\nS0-01 = "One"\nS0-02 = "Two"\n[gaps]\nS0-02 = "not yet: no two"\n'


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository of one test."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TEST)
    (tmp_path / requirements.MANIFEST).write_text(MANIFEST)
    return tmp_path


def test_ids_and_tests_fit_both_ways(root: Path) -> None:
    assert requirements.manifest(root).faults() == []


def test_the_page_is_what_the_tests_say(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert requirements.main(["--check"], root) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("tests/test_it.py", "S0-01", "S0-99", "S0-99 is no id of tests/requirements.toml, but test_it.py::test_it"),
        ("tests/test_it.py", "S0-01", "S0-02", "S0-01 (One) has no test"),
        (requirements.MANIFEST, "[gaps]\nS0-02", "[gaps]\nS0-03", "S0-02 (Two) has no test"),
        (requirements.MANIFEST, "[gaps]\nS0-02", "[gaps]\nS0-03", "[gaps] names S0-03, which is no id"),
        (requirements.MANIFEST, "not yet: no two", " ", "[gaps] gives no reason for S0-02"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(
    small: Path, file: str, old: str, new: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert requirements.manifest(small).faults() == []
    (small / file).write_text((small / file).read_text().replace(old, new))

    code = requirements.main([], small)

    said = capsys.readouterr().err
    assert (code, fault in said) == (1, True), said
    assert not (small / requirements.PAGE).exists()


def test_a_page_that_is_out_of_date_is_written_again(small: Path) -> None:
    assert requirements.main(["--check"], small) == 1
    assert requirements.main([], small) == 0
    assert requirements.main(["--check"], small) == 0
    written = (small / requirements.PAGE).read_text()
    assert "| S0-01 | One | `test_it.py::test_it` |  |" in written
    assert "| S0-02 | Two |  | not yet: no two |" in written
