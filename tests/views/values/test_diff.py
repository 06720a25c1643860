"""Differences between two artifacts."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from wfe_mcp.views.values.diff import difference


def test_a_difference_names_what_was_added_taken_away_and_changed() -> None:
    old = {"same": 1, "gone": 2, "list": [1, 2], "kind": {"a": 1}, "deep": {"x": [{"y": 1}]}}
    new = {"same": 1, "list": [1, 3, 4], "kind": [1], "deep": {"x": [{"y": 2}]}, "come": None}
    assert difference(old, new) == [
        {"path": "/gone", "old": 2},
        {"path": "/list/1", "old": 2, "new": 3},
        {"path": "/list/2", "new": 4},
        {"path": "/kind", "old": {"a": 1}, "new": [1]},
        {"path": "/deep/x/0/y", "old": 1, "new": 2},
        {"path": "/come", "new": None},
    ]
    assert difference(new, new) == []


def steps(*names: str, **changed: str) -> dict[str, Any]:
    return {"steps": [{"id": name, "title": changed.get(name, f"Do {name}")} for name in names]}


@pytest.mark.requirement("S1-03")
def test_an_item_more_at_the_front_is_one_change_and_no_cascade() -> None:
    assert difference(steps("a", "b"), steps("new", "a", "b")) == [
        {"path": "/steps/0", "new": {"id": "new", "title": "Do new"}}
    ]
    assert difference(steps("a", "b", "c"), steps("b", "c")) == [
        {"path": "/steps/0", "old": {"id": "a", "title": "Do a"}}
    ]


def test_an_item_is_followed_to_its_new_place_and_what_changed_in_it_is_reported_there() -> None:
    assert difference(steps("a", "b", "c"), steps("c", "a", "b", c="Do it first")) == [
        {"path": "/steps/0", "moved": "/steps/2"},
        {"path": "/steps/0/title", "old": "Do c", "new": "Do it first"},
    ]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ([{"id": "a"}, {"id": "a", "x": 1}], [{"id": "a"}, {"id": "a", "x": 2}], "/1/x"),
        ([{"id": "a"}, {"x": 1}], [{"id": "a"}, {"x": 2}], "/1/x"),
        ([{"id": 1, "x": 1}], [{"id": 1, "x": 2}], "/0/x"),
    ],
    ids=["twice the same id", "an item without one", "an id that is no text"],
)
def test_items_without_ids_of_their_own_are_compared_by_their_places(old: Any, new: Any, path: str) -> None:
    assert difference(old, new) == [{"path": path, "old": 1, "new": 2}]


def test_fields_come_first_and_then_texts_line_by_line() -> None:
    old = {"body": "one\ntwo\nthree\nfour\nfive\n", "title": "A"}
    new = {"body": "one\ntwo\n3\nfour\nfive\n", "title": "B"}
    assert difference(old, new) == [
        {"path": "/title", "old": "A", "new": "B"},
        {"path": "/body", "diff": "@@ -1,5 +1,5 @@\n one\n two\n-three\n+3\n four\n five"},
    ]


def test_the_files_of_a_bundle_are_compared_by_their_paths() -> None:
    old = {"files": [{"path": "b.py", "content": "x = 1\ny = 2\n"}]}
    new = {"files": [{"path": "a.py", "content": "new"}, {"path": "b.py", "content": "x = 1\ny = 3\n"}]}
    assert difference(old, new) == [
        {"path": "/files/0", "new": {"path": "a.py", "content": "new"}},
        {"path": "/files/1/content", "diff": "@@ -1,3 +1,3 @@\n x = 1\n-y = 2\n+y = 3\n "},
    ]


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (0, False), (1, 1.0), ("a\n", "a"), ("a\nb\n", "a\nb"), ("a\r\nb", "a\nb"), ([], {})]
)
def test_what_looks_alike_and_is_not_is_a_change(old: Any, new: Any) -> None:
    (change,) = difference({"it": old}, {"it": new})
    assert change["path"] == "/it"
    assert change.get("diff") != ""


def test_texts_too_long_to_compare_are_reported_whole() -> None:
    old, new = ("\n".join(f"{word} {number}" for number in range(5_001)) for word in ("old", "new"))
    (change,) = difference(old, new)
    lines = change["diff"].split("\n")
    assert (lines[0], lines[1], lines[-1]) == ("@@ -1,5001 +1,5001 @@", "-old 0", "+new 5000")


NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(NAMES, NAMES)
def test_every_item_that_came_went_or_must_be_moved_is_reported_once(old: list[str], new: list[str]) -> None:
    answer = difference([{"id": name} for name in old], [{"id": name} for name in new])
    come = [each["new"]["id"] for each in answer if "new" in each]
    gone = [each["old"]["id"] for each in answer if "old" in each]
    moved = [new[int(each["path"][1:])] for each in answer if "moved" in each]
    assert (sorted(come), sorted(gone)) == (sorted({*new} - {*old}), sorted({*old} - {*new}))
    left = [name for name in new if name in old and name not in moved]
    assert left == [name for name in old if name in left], "what was not moved stands in the same order"
    assert (not moved) == ([name for name in new if name in old] == [name for name in old if name in new])
