"""JSON pointers name parts of a value (RFC 6901); what leads nowhere is refused with what is there."""

from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.json_pointer import keys_at, member, part_at, under

VALUE: dict[str, Any] = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, "~1": 9, "in": {"x": {"y": 2}}}


@pytest.mark.parametrize(
    ("pointer", "part"),
    [("", VALUE), ("/foo", ["bar", "baz"]), ("/foo/1", "baz"), ("/", 0), ("/a~1b", 1), ("/m~0n", 8), ("/~01", 9)],
)
def test_a_pointer_names_a_part(pointer: str, part: object) -> None:
    assert part_at(VALUE, pointer) == part


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        ("foo", "begins with '/'"),
        ("/nothing", "There: foo, "),
        ("/foo/2", "a list of 2"),
        ("/foo/01", "a list of 2"),
        ("/foo/-1", "a list of 2"),
        ("/foo/-", "a list of 2"),
        ("/foo/0/more", "no parts"),
    ],
)
def test_one_that_leads_nowhere_is_refused_with_what_is_there(pointer: str, said: str) -> None:
    with pytest.raises(Refused) as no:
        part_at(VALUE, pointer)
    assert no.value.code == "bad_argument"
    assert said in f"{no.value.message} {no.value.hint}"


def test_a_member_that_is_not_there_is_nothing() -> None:
    assert (member(VALUE, "in"), member(VALUE, "nothing"), member(["in"], "in")) == ({"x": {"y": 2}}, None, None)
    assert (under(VALUE, "in"), under(VALUE, "foo"), under(None, "in")) == ({"x": {"y": 2}}, {}, {})
    assert [*keys_at({"list": [VALUE]}, ("list", 0, "in"))] == ["x"]
    assert [*keys_at({"list": []}, ("list", 0, "in"))] == []
