"""The table of attacks matches the marks of the tests."""

import re
from pathlib import Path

import pytest

from scripts import generate_attacks
from tests.docs.conftest import ROOT

REQUIRED = (
    "script -qec",
    "setsid",
    "orphan",
    "trust from the agent",
    "init from the agent",
    "cancel the run",
    "PIN is exchanged",
    "hook",
    "invented test results",
    "another iteration",
    "two servers at once",
    "named by the agent",
    "tells its reviewer",
    "tells the next worker",
    "tool's answer",
    "your own configuration",
    "shadows",
    "login code",
)


def test_the_page_of_attacks_is_what_the_marks_say(root: Path) -> None:
    assert generate_attacks.main(["--check"], root) == 0, "Next: python scripts/generate_attacks.py"


def test_no_cell_is_empty_and_no_row_is_there_twice(root: Path) -> None:
    rows = [line for line in generate_attacks.page(root).splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    assert [row for row in cells if not all(row)] == []
    names = [attack.name for attack in generate_attacks.attacks(root)]
    assert len(set(names)) == len(names)


@pytest.fixture(scope="module")
def marked() -> list[generate_attacks.Attack]:
    """The attacks that the tests of this checkout are marked with. Reading all tests takes a second."""
    return list(generate_attacks.attacks(ROOT))


@pytest.mark.parametrize("words", REQUIRED)
def test_what_was_promised_to_be_tried_is_tried(marked: list[generate_attacks.Attack], words: str) -> None:
    assert any(words in attack.name for attack in marked), words


@pytest.mark.parametrize("threat", [f"T{number}" for number in range(1, 15)])
def test_every_threat_of_the_list_has_a_row(marked: list[generate_attacks.Attack], threat: str) -> None:
    sources = [attack.source for attack in marked]
    assert any(threat in re.findall(r"T\d+", source) for source in sources)


def test_a_stale_page_is_named_by_the_check_and_written_by_the_generator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate_attacks.main(["--check"], tmp_path) == 1
    assert generate_attacks.PAGE in capsys.readouterr().err
    assert generate_attacks.main([], tmp_path) == 0
    assert generate_attacks.main(["--check"], tmp_path) == 0
    assert generate_attacks.main(["--chek"], tmp_path) == 2


@pytest.mark.parametrize("mark", ['"x", "perhaps"', '"", "held"', '"x"'])
def test_a_mark_that_says_too_little_stops_the_generator(tmp_path: Path, mark: str) -> None:
    (tmp_path / "tests").mkdir()
    text = f"import pytest\n\n@pytest.mark.attack({mark})\ndef test_it(): ...\n"
    (tmp_path / "tests" / "test_it.py").write_text(text)
    with pytest.raises(ValueError, match="an attack has a name"):
        generate_attacks.attacks(tmp_path)
