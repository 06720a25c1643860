"""The title of a run says what it is about."""

from typing import Any

import pytest

from wfe_mcp.core.titles import GIVEN_CHARS, TITLE_CHARS, first_words, title_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["owner", "issue_number"],
    "properties": {
        "owner": {"type": "string"},
        "issue_number": {"type": "integer"},
        "base": {"type": "string", "default": "main"},
        "tests": {"type": "array", "items": {"type": "string"}},
        "anything": True,
    },
}


def test_the_given_title_comes_before_the_input_that_the_template_names() -> None:
    inputs = {"goal": "Users can export"}

    assert title_of(" Export as CSV ", "goal", inputs, {}) == "Export as CSV"
    assert title_of(" ", "goal", inputs, {}) == "Users can export"


def test_a_long_text_is_cut_after_a_word() -> None:
    text = "slug('v1.2') gives 'v1.2';\n  it should give 'v1-2', as the documentation says since 2019."

    title = title_of("", "problem", {"problem": text}, {})

    assert title == "slug('v1.2') gives 'v1.2'; it should give 'v1-2', as the…"
    assert len(title) <= TITLE_CHARS
    assert len(title_of("word " * 100, "", {}, {})) <= GIVEN_CHARS
    assert first_words("x" * 70) == "x" * 59 + "…"
    assert first_words("goal " + "x" * 70) == "goal " + "x" * 54 + "…", "one long word is most of what it says"
    assert first_words("\nPrices are wrong\r\n \nSince May.") == "Prices are wrong"


def test_nothing_in_a_title_is_hidden() -> None:
    assert title_of("abc\u202edef\x1b[31m", "", {}, {}) == "abc<U+202E>def<U+001B>[31m"


def test_a_text_within_an_object_can_be_the_title() -> None:
    inputs = {"plan": {"title": "Export", "size": 2}}

    assert title_of("", "plan.title", inputs, {}) == "Export"
    assert title_of("", "plan.title.more", inputs, {}) == "Export"
    assert title_of("", "plan", {"plan": "Export all"}, {}) == "Export all"


@pytest.mark.parametrize(
    ("inputs", "title"),
    [
        ({"issue_number": 7, "owner": "ada", "base": "main"}, "owner ada, issue number 7"),
        ({"owner": "ada", "base": "next"}, "owner ada, base next"),
        ({"note": "Checkout answers with errors"}, "Checkout answers with errors"),
        ({"plan": {"size": 2, "milestones": [{}, {"id": "M1", "title": "Write the archive"}]}}, "Write the archive"),
        ({"anything": 1.5, "draft": False, "gone": None, "empty": " "}, "anything 1.5"),
        ({"tests": ["tests/**"]}, ""),
        ({"tests": [], "plan": {}}, ""),
        ({}, ""),
    ],
)
def test_without_a_named_input_all_that_was_given_says_it(inputs: dict[str, Any], title: str) -> None:
    assert title_of("", "", inputs, SCHEMA) == title
