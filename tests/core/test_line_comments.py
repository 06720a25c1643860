"""Comments on lines of a change, inside the text of a rejection."""

import pytest

from wfe_mcp.core.prompts import LineComment, split_comments, with_comments

TWO = (
    LineComment("src/app.py", 12, "Name the unit."),
    LineComment("a b:3 (new).txt", 1, "Why?\n\n  - why not", "old"),
    LineComment("c.py", 7, "As in d.py:4 (old): no."),
)


@pytest.mark.parametrize("feedback", ["", "Measure first.", "Two\n\nlines"])
def test_comments_are_read_back_as_they_were_written(feedback: str) -> None:
    assert split_comments(with_comments(feedback, TWO)) == (feedback, TWO)


def test_a_person_reads_them_without_knowing_the_form() -> None:
    text = with_comments("Measure first.", TWO[:1])

    assert text == "Measure first.\n\nComments on lines:\n- src/app.py:12 (new): Name the unit."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no comments",
        "Comments on lines:\n",
        "Comments on lines:\nnone",
        "x Comments on lines:\n- a:1 (new): b",
        "Comments on lines:\n  first",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert split_comments(text) == (text, ())
    assert with_comments(text, ()) == text
