"""One table changes, and nothing else."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.examples import examples
from wfe_mcp.workspace.config.toml_tables import NotEditable, with_table, with_value, without_table, without_value

MINE = '''\
# Mine. Do not touch.
auto = true   # why not

[checks.test]  # the one
argv = [
  "pytest",
  "[providers.a]",   # no table, a word
]
note = """
[providers.a]
enabled = false
"""

# about a
[providers.a]
kind = "codex"  # the agent
enabled = true # on
argv = [
  "x",  # first
]

[providers.a.options]
sandbox = "ro"

# about b
[providers . "b"]
'kind' = 'manual'
# last words
'''


def test_a_table_is_added_at_the_end() -> None:
    made = with_table(MINE, ("providers", "c"), {"kind": "openai", "options": {"x": 1}})
    assert made.startswith(MINE)
    assert made[len(MINE) :] == '\n[providers.c]\nkind = "openai"\n\n[providers.c.options]\nx = 1\n'
    assert with_table("", ("a",), {"b": True}) == "[a]\nb = true\n"
    assert with_table("x = 1", ("a",), {"b": 1}) == "x = 1\n\n[a]\nb = 1\n"


def test_a_value_changes_in_place_and_keeps_its_comment() -> None:
    made = with_value(MINE, ("providers", "a"), "enabled", False)
    assert made == MINE.replace("enabled = true # on", "enabled = false # on")
    assert with_value(MINE, ("providers", "a"), "argv", ["y"]).count("first") == 0
    assert with_value(MINE, ("providers", "b"), "kind", "codex") == MINE.replace("'kind' = 'manual'", 'kind = "codex"')


def test_a_sign_in_a_string_begins_no_comment() -> None:
    assert with_value('[a]\nb = "x # y"  # why\n', ("a",), "b", 1) == "[a]\nb = 1  # why\n"


def test_a_new_value_stands_after_the_last_one_of_its_table() -> None:
    assert with_value(MINE, ("providers", "b"), "enabled", False) == MINE.replace(
        "'manual'\n", "'manual'\nenabled = false\n"
    )
    assert with_value("[a]", ("a",), "b", 1) == "[a]\nb = 1\n"


def test_a_value_of_a_table_that_is_not_there_brings_the_table() -> None:
    assert with_value(MINE, ("providers", "c"), "enabled", False) == f"{MINE}\n[providers.c]\nenabled = false\n"


def test_a_value_goes_without_its_neighbours() -> None:
    assert without_value(MINE, ("providers", "a"), "kind") == MINE.replace('kind = "codex"  # the agent\n', "")
    assert without_value(MINE, ("providers", "a"), "nothing") == MINE


def test_a_table_goes_with_those_below_it_and_leaves_the_comments_of_others() -> None:
    made = without_table(MINE, ("providers", "a"))
    begin, end = MINE.index("[providers.a]\nkind"), MINE.index("# about b")
    assert made == f"{MINE[:begin]}\n{MINE[end:]}"
    assert without_table(MINE, ("providers", "b")).endswith("# about b\n# last words\n")
    assert without_table(MINE, ("providers", "zzz")) == MINE


def test_line_ends_stay_what_they_are() -> None:
    text = MINE.replace("\n", "\r\n")
    made = with_value(with_table(text, ("c",), {"d": 1}), ("providers", "a"), "enabled", False)
    assert made.count("\n") == made.count("\r\n")


def test_a_byte_order_mark_stays_before_the_first_table() -> None:
    text = "\ufeff[a]\nb = 1\n"
    assert with_value(text, ("a",), "b", 2) == "\ufeff[a]\nb = 2\n"
    assert with_table(text, ("c",), {"d": 1}) == f"{text}\n[c]\nd = 1\n"


def test_a_text_that_ends_like_a_comment_is_none() -> None:
    text = '[a]\nb = """\n# no comment"""\n'
    assert with_value(text, ("a",), "c", 1) == f"{text}c = 1\n"


@pytest.mark.parametrize(
    "text",
    ["providers.a.enabled = true\n", "providers = {a = {enabled = true}}\n", "[providers]\na = {enabled = true}\n"],
)
def test_what_is_written_in_another_way_is_refused_never_broken(text: str) -> None:
    with pytest.raises(NotEditable):
        without_table(text, ("providers", "a"))
    with pytest.raises(NotEditable):
        with_value(text, ("providers", "a"), "enabled", False)
    with pytest.raises(NotEditable):
        without_value(text, ("providers", "a"), "enabled")
    with pytest.raises(NotEditable):
        with_table(text, ("providers", "a"), {"enabled": False})


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(NotEditable):
        with_table("= 1", ("a",), {"b": 1})


NAMES = st.sampled_from(["a", "b", "c-d", "e_f"])
VALUES = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.text("ab[]#='\"\n\\", max_size=6),
    st.lists(st.text("[]#,", max_size=3), max_size=2),
)
TABLES = st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), max_size=4)


@settings(max_examples=examples(300), deadline=None)
@given(TABLES, NAMES, NAMES, VALUES)
def test_whatever_is_there_only_what_was_meant_changes(
    tables: dict[str, dict[str, Any]], table: str, key: str, value: object
) -> None:
    import tomli_w

    text = tomli_w.dumps({"t": tables}, multiline_strings=True)
    changed = tomllib.loads(with_value(text, ("t", table), key, value))
    assert changed["t"] == {**tables, table: {**tables.get(table, {}), key: value}}
    left = tomllib.loads(without_table(text, ("t", table)))
    assert left.get("t", {}) == {name: each for name, each in tables.items() if name != table}


LONG_VALUES = (
    *('[\n"a",\n"]", # ]\n] # end', '[\n["a"],\n["b"]\n]', '"""\n]\n"""', '"""\n"x""""" # end', "'''\n}\n'''\t"),
    *('{x = """\n""" }', "{x = [\n1\n]}#", "[\n{x = 1}\n, {x = [\n2]}]"),
)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("value", LONG_VALUES)
def test_a_value_of_several_lines_ends_where_it_ends(value: str, newline: str) -> None:
    text = f"[a]\nb = {value}\nc = 1\n[d]\n".replace("\n", newline)
    assert without_value(text, ("a",), "b") == "[a]\nc = 1\n[d]\n".replace("\n", newline)


def test_a_list_of_ten_thousand_lines_does_not_hold_an_edit_for_minutes() -> None:
    words = "".join(f'  "word {number}",\n' for number in range(10_000))
    text = f"[a]\nb = [\n{words}]\n"
    assert with_value(text, ("a",), "c", 1) == f"{text}c = 1\n"
