"""Values as a person reads them."""

import pytest

from wfe_mcp.views.values.model import as_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a, b", "a, b"),
        (["tests/**", "**/test_*.py"], "tests/**, **/test_*.py"),
        (["a, b"], '["a, b"]'),
        (["a", " b"], '["a", " b"]'),
        (["a", ""], '["a", ""]'),
        ([1, 2], "[1, 2]"),
        ([], "[]"),
        ({"ü": True}, '{"ü": true}'),
        (None, "null"),
    ],
)
def test_a_list_of_words_is_read_with_commas_and_everything_else_is_json(value: object, text: str) -> None:
    assert as_text(value) == text
