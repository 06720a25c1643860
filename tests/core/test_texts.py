"""Size limits on the texts of a call."""

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.texts import MAX_NAME, MAX_TEXT, is_line, refuse_unkept, unseen, without_middle


def test_texts_up_to_their_cap_are_taken_and_other_values_are_passed_over() -> None:
    refuse_unkept({"title": "x" * MAX_NAME, "feedback": "x" * MAX_TEXT, "attempt": 3, "artifact": {"a": "\x00"}})


def test_every_text_that_cannot_be_kept_is_named_at_once() -> None:
    with pytest.raises(Refused) as caught:
        refuse_unkept({"run": "a\x00", "reason": "\ud800", "phase": "plan"})

    assert caught.value.code == "bad_argument"
    assert [detail.path for detail in caught.value.details] == ["/run", "/reason"]


@pytest.mark.parametrize(("name", "most"), [("title", MAX_NAME), ("feedback", MAX_TEXT)])
def test_a_text_above_its_cap_is_too_large(name: str, most: int) -> None:
    with pytest.raises(Refused) as caught:
        refuse_unkept({name: "x" * (most + 1)})

    assert (caught.value.code, caught.value.details[0].got) == ("too_large", most + 1)


def test_a_text_without_its_middle_cuts_no_word_of_usual_length() -> None:
    assert without_middle("undo the changes outside of the folder, then submit again", 30) == "undo the … submit again"
    assert without_middle("x" * 100, 10) == "xxxxx … xxxxx"


def test_a_control_character_among_plain_letters_is_counted_as_unseen() -> None:
    assert [unseen(text) for text in ("red", "\x1b[31mred\x1b[0m")] == [{}, {"<U+001B>": 2}]


def test_a_line_has_no_end_of_one_no_mark_of_ours_and_nothing_that_hides() -> None:
    assert is_line("\u2764\ufe0f \u0645\u06cc\u200c\u062e", 7)
    assert not any(
        is_line(value, 9)
        for value in [1, "", "a" * 10, "a\nb", "a\tb", "a\r", "\ufeffa", "\u2756 a", "a\u200db", "a\x1b[2J"]
    )
