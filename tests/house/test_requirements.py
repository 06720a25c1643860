"""Each promise has a test or a reason, and each test names promises that exist."""

from pathlib import Path

import pytest

from scripts import generate_requirements as requirements

TEST = 'import pytest\n\n\n@pytest.mark.requirement("S0-01", "S0-03")\ndef test_it() -> None: ...\n'
MANIFEST = """[ids]
S0-01 = "One"
S0-02 = "Two"
S0-03 = "Three"
S0-04 = "Four"
[areas]
pages = "what a browser shows"
[left_out]
S0-02 = "no two"
[left.pages]
S0-03 = "half of three"
S0-04 = "no page"
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository of one test."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TEST)
    (tmp_path / requirements.MANIFEST).write_text(MANIFEST)
    return tmp_path


@pytest.fixture(scope="module")
def found(root: Path) -> requirements.Manifest:
    """What this repository promises: every test file is read for it."""
    return requirements.manifest(root)


def test_ids_and_tests_fit_both_ways(found: requirements.Manifest) -> None:
    assert found.faults() == []


def test_the_pages_are_what_the_tests_say(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert requirements.main(["--check"], root) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("tests/test_it.py", "S0-01", "S0-99", "S0-99 is no id of tests/requirements.toml, but test_it.py::test_it"),
        ("tests/test_it.py", "S0-01", "S0-03", "S0-01 (One) has no test"),
        (requirements.MANIFEST, 'S0-04 = "no', 'S0-05 = "no', "S0-04 (Four) has no test"),
        (requirements.MANIFEST, 'S0-04 = "no', 'S0-05 = "no', "A reason names S0-05, which is no id"),
        (requirements.MANIFEST, "no two", " ", "S0-02 has an empty reason"),
        (requirements.MANIFEST, 'half of three"', 'half of three"\nS0-02 = "later"', "S0-02 has 2 reasons"),
        (requirements.MANIFEST, "[left.pages]", "[left.page]", "[left.page] is no area. [areas] has: pages"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(
    small: Path, file: str, old: str, new: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert requirements.manifest(small).faults() == []
    (small / file).write_text((small / file).read_text().replace(old, new))

    code = requirements.main([], small)

    output = capsys.readouterr().err
    assert (code, fault in output) == (1, True), output
    assert not (small / requirements.PAGE).exists()
    assert not (small / requirements.STATES_PAGE).exists()


def test_pages_that_are_out_of_date_are_written_again(small: Path) -> None:
    assert requirements.main(["--check"], small) == 1
    assert requirements.main([], small) == 0
    assert requirements.main(["--check"], small) == 0
    written = (small / requirements.PAGE).read_text()
    assert "| S0-01 | One | done | `test_it.py::test_it` |  |" in written
    assert "| S0-02 | Two | left out |  | no two |" in written


def test_each_promise_of_an_earlier_system_has_a_state_what_is_left_and_the_work_that_brings_it(small: Path) -> None:
    assert requirements.main([], small) == 0
    written = (small / requirements.STATES_PAGE).read_text()
    assert "1 done, 1 partly, 1 not yet, 1 left out" in written
    assert "| pages | what a browser shows | 1 | 1 |" in written
    assert "| S0-03 | Three | partly | half of three (pages) | `test_it` |" in written
    assert "| S0-04 | Four | not yet | no page (pages) |  |" in written


def test_the_table_is_printed_and_nothing_is_written(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert requirements.main(["--print"], small) == 0
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "S0-01  done      One  [test_it.py::test_it]",
        "S0-02  left out  Two  [-]  no two",
        "S0-03  partly    Three  [test_it.py::test_it]  half of three (pages)",
        "S0-04  not yet   Four  [-]  no page (pages)",
        "4: 1 done, 1 partly, 1 not yet, 1 left out",
        "pages: 1 partly, 1 not yet",
    ]
    assert not (small / requirements.PAGE).exists()


def test_every_id_of_the_earlier_systems_is_in_the_manifest(found: requirements.Manifest) -> None:
    counts = {"S0": 58, "S1": 36, "S2": 30, "S3": 31, "S4": 36}
    wanted = {f"{system}-{number:02}" for system, count in counts.items() for number in range(1, count + 1)}

    wanted |= {*(f"S1-SC-0{number}" for number in range(1, 7)), *(f"S1-J{number}" for number in range(1, 9))}

    assert {id_ for id_ in found.titles if id_[0] == "S"} == wanted


def test_every_row_that_is_not_whole_names_the_area_that_completes_it(found: requirements.Manifest) -> None:
    open_ = {id_ for id_ in found.titles if found.state(id_) in {"partly", "not yet"}}

    assert open_ == {id_ for area in found.areas for id_ in found.left.get(area, {})}
    assert set(found.areas) == set(found.left)
