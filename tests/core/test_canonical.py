"""Canonical JSON: every value has exactly one text and one hash."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st

from tests.examples import examples
from wfe_mcp.core.canonical import canonical_json, sha256_hex, sha256_of, signed_text


def test_keys_are_sorted_spaces_left_out_and_text_kept_as_it_is():
    assert canonical_json({"b": [1, 2.5, None, True], "a": "Ä\n"}) == '{"a":"Ä\\n","b":[1,2.5,null,true]}'


def test_the_order_of_keys_does_not_change_the_name():
    assert sha256_of({"a": 1, "b": {"x": 1, "y": 2}}) == sha256_of({"b": {"y": 2, "x": 1}, "a": 1})


def test_the_name_is_the_sha256_of_the_text():
    assert sha256_of({}) == sha256_hex("{}") == sha256_hex(b"{}")
    assert sha256_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "not JSON compliant"),
        ([float("inf")], "not JSON compliant"),
        ({"a": "x\x00y"}, "NUL"),
        ({"a\x00": 1}, "NUL"),
        (["\ud800"], "lone surrogate"),
        ({"a": {1: "one"}}, "key 1 is not text"),
    ],
)
def test_what_could_read_differently_elsewhere_is_refused(value: object, why: str):
    with pytest.raises(ValueError, match=why):
        canonical_json(value)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(VALUES)
def test_the_text_reads_back_as_the_value_and_has_no_other_spelling(value: object):
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@pytest.mark.parametrize(
    ("value", "why"),
    [({1: 2, "a": 3}, "key 1 is not text"), ([{None: 1}], "key None is not text"), (({"a": "\x00"},), "NUL")],
)
def test_keys_are_looked_at_wherever_they_are(value: object, why: str):
    with pytest.raises(ValueError, match=why):
        canonical_json(value)


def test_what_is_not_json_at_all_is_a_type_error():
    with pytest.raises(TypeError, match="set"):
        canonical_json({"a": {1}})


def test_a_text_about_the_nul_character_is_kept():
    assert canonical_json(["\\u0000"]) == '["\\\\u0000"]'


SIGNABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda each: not 2**53 <= abs(each) < 1e21)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(SIGNABLE)
def test_the_signed_text_reads_back_as_the_value_and_has_no_other_spelling(value: object):
    text = signed_text({"value": value})
    assert json.loads(text) == {"value": value}
    assert signed_text(json.loads(text)) == text


def test_a_format_of_before_is_signed_as_canonical_json():
    assert signed_text({"format": "wfe-decision/1", "s": 1.0}) == '{"format":"wfe-decision/1","s":1.0}'
    assert signed_text({"format": "wfe-decision/2", "s": 1.0}) == '{"format":"wfe-decision/2","s":1}'


@pytest.mark.parametrize(
    ("value", "why"), [({"n": 2**53}, "safe integer"), ({"n": 2.0**53}, "safe integer"), ({"a": "\x00"}, "NUL")]
)
def test_what_readers_could_read_differently_is_not_signed(value: dict[str, object], why: str):
    with pytest.raises(ValueError, match=why):
        signed_text(value)
