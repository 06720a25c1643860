"""Work items: their fields, their moves, and what a run means for them."""

import time
from dataclasses import replace
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import (
    MOST_FAILURES,
    MOVES,
    OVER,
    Item,
    ItemKind,
    ItemStatus,
    Mover,
    after_reopening,
    after_run,
    load_item,
    missing,
    missing_values,
    new_item,
    overlap,
    refuse_move,
    startable,
    values_of,
    with_values,
)
from wfe_mcp.core.readers import for_agent


def item(number: int = 1, **values: Any) -> Item:
    given = {"title": "Fix the login", "body": "It fails with a long password", "criteria": ["a test passes"], **values}
    own = {name: given.pop(name) for name in ("status", "runs", "failures", "kind") if name in given}
    return with_values(new_item(f"W-{number}", ItemKind(own.pop("kind", "task")), given), own)


def refused(item: Item, to: str, who: Mover = "agent", *others: Item) -> Refused:
    with pytest.raises(Refused) as no:
        refuse_move(item, ItemStatus(to), who, others)
    return no.value


@pytest.mark.requirement("S4-16")
def test_a_new_item_is_planned_an_idea_an_idea_and_a_decision_proposed() -> None:
    assert new_item("W-1", ItemKind.TASK, {"title": "Write"}).status == "planned"
    assert new_item("W-1", ItemKind.IDEA, {"title": "Write"}).status == "idea"
    assert new_item("W-1", ItemKind.DECISION, {"title": "SQLite"}).status == "proposed"


@pytest.mark.requirement("S4-19")
@pytest.mark.parametrize("kind", ["bug", "finding", "threat", "requirement"])
def test_what_is_not_said_of_when_it_is_done_follows_from_the_kind(kind: str) -> None:
    (criterion,) = new_item("W-1", ItemKind(kind), {"title": "Write"}).criteria
    assert "test" in criterion or "check" in criterion
    assert new_item("W-1", ItemKind(kind), {"title": "Write", "criteria": ["mine"]}).criteria == ("mine",)


def test_a_log_of_changes_is_the_item() -> None:
    first = item(needs=["W-2"], tags=["login"], priority="high", sequential=True)
    later = with_values(first, {"status": "blocked", "reason": "no key", "kind": "bug"})

    assert load_item("W-1", values_of(first)) == first
    assert load_item("W-1", values_of(later)) == later
    assert (first.priority, later.kind, later.is_over) == (8, ItemKind.BUG, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", ""),
        ("title", "x" * 201),
        ("title", "two\nlines"),
        ("title", 7),
        ("body", "x" * 20_001),
        ("priority", "urgent"),
        ("priority", 11),
        ("priority", True),
        ("sequential", "yes"),
        ("needs", 7),
        ("criteria", [""]),
        ("criteria", [{"text": "It works"}]),
        ("tags", [None]),
        ("tags", ["x"] * 0 + ["a\nb"]),
        ("scopes", ["../other"]),
        ("scopes", ["/etc"]),
        ("scopes", ["~/x"]),
        ("criteria", [f"number {number}" for number in range(51)]),
        ("state", "done"),
        ("runs", ["r1"]),
    ],
)
def test_a_value_that_no_item_can_have_is_refused_with_its_place(name: str, value: object) -> None:
    with pytest.raises(Refused) as no:
        new_item("W-1", ItemKind.TASK, {"title": "Write", name: value})

    assert no.value.code == "bad_argument"
    assert no.value.details[0].path == f"/item/{name}"


@pytest.mark.parametrize(
    "title", ["\U0001f469\u200d\U0001f467 \u26a0\ufe0f at home", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"]
)
def test_a_title_has_the_joiners_of_an_emoji_and_of_a_persian_word(title: str) -> None:
    assert (item(title=title, tags=[title]).title, item(title=title, tags=[title]).tags) == (title, (title,))


def test_a_title_that_hides_a_letter_is_refused_with_that_letter() -> None:
    with pytest.raises(Refused, match=r"/item/title: has letters that no one sees: <U\+200B>\."):
        item(title="Fix\u200b it")


def test_a_text_that_is_too_long_is_refused_with_its_limit_and_its_beginning() -> None:
    with pytest.raises(Refused, match="/item/body: is longer than 20,000 characters") as no:
        item(body="x" * 100_000)
    assert no.value.details[0].got == "x" * 80


def test_all_faults_are_named_at_once_and_a_wrong_field_with_the_nearest() -> None:
    with pytest.raises(Refused) as no:
        new_item("W-1", ItemKind.TASK, {"title": "", "bdoy": "x", "priority": 0})

    assert [fault.path for fault in no.value.details] == ["/item/bdoy", "/item/priority"]
    assert "'body'" in no.value.details[0].message
    with pytest.raises(Refused, match=r"/item/kind: stands beside item, not in it\. Correct it"):
        new_item("W-1", ItemKind.TASK, {"title": "Write", "kind": "bug"})


def test_one_text_is_a_list_of_one_and_repeated_ones_count_once() -> None:
    found = item(scopes="src/login/*", tags=["a", "a", " b "])
    assert (found.scopes, found.tags) == (("src/login/*",), ("a", "b"))


def test_a_run_may_finish_whatever_it_can_work_before_that_has_begun() -> None:
    for kind in ItemKind:
        if (new := new_item("W-1", kind, {"title": "Write"})).is_work:
            refuse_move(new, ItemStatus.DONE, "run")


def test_each_move_of_the_table_is_made_by_who_may_and_no_other_is() -> None:
    for status, moves in MOVES.items():
        for to in ItemStatus:
            here = replace(item(), status=status, needs=("W-9",))
            continues = to is ItemStatus.ACTIVE and status is not ItemStatus.READY  # by a run that had ended alone
            if to not in moves or continues:
                assert refused(here, to, "person").code == "illegal_transition"
                continue
            if moves[to] == "test":
                refuse_move(here, to, "test")
                assert {refused(here, to, who).code for who in ("agent", "run", "person")} == {"illegal_transition"}
                continue
            refuse_move(here, to, "person")
            for who in ("agent", "run"):
                if moves[to] in {"agent", who}:
                    refuse_move(here, to, who)
                else:
                    assert refused(here, to, who).code == "needs_human"


def test_an_agent_learns_to_start_a_run_only_where_one_would_make_the_move() -> None:
    proposed = {
        (status, to): "Start one: wfe-mcp work start W-1" in str(refused(item(status=status), to).hint)
        for status, to in [("ready", "active"), ("ready", "done"), ("ready", "dropped"), ("active", "done")]
    }
    assert [move for move, is_proposed in proposed.items() if is_proposed] == [("ready", "active"), ("ready", "done")]


def test_what_is_closed_says_that_nothing_follows() -> None:
    assert refused(replace(item(), status=ItemStatus.SUPERSEDED), "accepted").hint.endswith("its record is closed.")


@pytest.mark.requirement("S4-19")
def test_what_is_missing_before_the_work_is_asked_for() -> None:
    bare = new_item("W-1", ItemKind.TASK, {"title": "Do"})
    no = refused(bare, "ready")
    assert (no.code, [each.path for each in no.details]) == (
        "not_ready",
        ["/item/title", "/item/body", "/item/criteria"],
    )
    all_at_once = "wfe-mcp work edit W-1 --title TEXT --body TEXT --criterion TEXT --status ready"
    assert no.hint == f"Say it: {all_at_once}"
    assert for_agent(no.hint) == (
        "Say it: work(action='change', id='W-1', status='ready', item={'title': TEXT, 'body': TEXT, 'criteria': [TEXT]})"
    )
    assert refused(bare, "active", "run").hint == f"Make it ready first: {all_at_once}"
    emptied = refused(replace(bare, status=ItemStatus.READY), "active", "run")
    assert emptied.hint == "Say it: wfe-mcp work edit W-1 --title TEXT --body TEXT --criterion TEXT", "it is ready"
    (short,) = refused(item(body="Do it"), "ready").details
    assert short.expected == "what is to be done, and why, in at least 10 characters"
    unsaid = refused(item(criteria=[]), "ready")
    assert unsaid.message == "W-1 is not ready: it does not say when it is done."
    assert unsaid.hint == "Say it: wfe-mcp work edit W-1 --criterion TEXT --status ready"
    refuse_move(new_item("W-1", ItemKind.MILESTONE, {"title": "M1"}), ItemStatus.READY, "agent")


@pytest.mark.requirement("S3-09", "S3-10", "S3-23")
def test_an_item_waits_for_what_it_needs_and_dropped_ones_free_it() -> None:
    ready = item(2, needs=["W-1"], status="ready")
    assert refused(ready, "active", "run", item(1)).code == "not_ready"
    for status in OVER:
        refuse_move(ready, ItemStatus.ACTIVE, "run", [replace(item(1), status=status)])


def test_several_that_are_waited_for_are_named() -> None:
    ready = item(3, needs=["W-1", "W-2"], status="ready")
    assert "W-1, W-2" in refused(ready, "active", "run", item(1), item(2)).message


@pytest.mark.requirement("S3-01")
def test_under_a_sequential_parent_one_is_active_at_a_time() -> None:
    ready = item(3, parent="W-1", status="ready")
    busy = item(2, parent="W-1", status="active")
    parent = item(1, kind="milestone", sequential=True)
    assert "W-2 is active" in refused(ready, "active", "run", parent, busy).message
    refuse_move(ready, ItemStatus.ACTIVE, "run", [replace(parent, sequential=False), busy])
    refuse_move(ready, ItemStatus.ACTIVE, "run", [parent, replace(busy, status=ItemStatus.DONE)])


@pytest.mark.requirement("S4-19")
def test_a_run_ends_its_item_and_three_failed_ones_block_it() -> None:
    active = item(status="active", runs=["r1"])
    assert after_run(active, "r1", completed=True)["status"] == "done"
    for number in range(1, MOST_FAILURES):
        values = after_run(active, "r1", completed=False)
        assert (values["status"], values["failures"]) == ("ready", number)
        active = with_values(active, values | {"status": "active"})
    last = after_run(active, "r1", completed=False)
    assert (last["status"], "3 runs" in last["reason"]) == ("blocked", True)


@pytest.mark.requirement("S4-19")
def test_what_failed_three_times_is_freed_by_a_person_alone() -> None:
    blocked = item(status="blocked", runs=["r1"], failures=MOST_FAILURES)
    assert refused(blocked, "planned").code == "needs_human"
    refuse_move(blocked, ItemStatus.PLANNED, "person")
    refuse_move(replace(blocked, failures=MOST_FAILURES - 1), ItemStatus.PLANNED, "agent")


def test_an_earlier_run_and_one_of_an_item_that_is_over_change_nothing() -> None:
    assert after_run(item(status="active", runs=["r1", "r2"]), "r1", completed=True) == {}
    assert after_run(item(status="dropped", runs=["r1"]), "r1", completed=True) == {}


def test_a_run_that_continues_undoes_what_its_end_did_and_no_more() -> None:
    done = item(status="done", runs=["r1", "r2"])
    assert after_reopening(done, "r2", completed=True) == {"status": "active", "reason": "", "failures": 0}
    assert after_reopening(done, "r1", completed=True) == after_reopening(done, "r2", completed=False) == {}
    ready = item(status="ready", runs=["r1"], failures=1)
    assert after_reopening(ready, "r1", completed=False)["failures"] == 0
    blocked = item(status="blocked", runs=["r1"], failures=MOST_FAILURES)
    assert after_reopening(blocked, "r1", completed=False)["failures"] == MOST_FAILURES - 1
    assert after_reopening(replace(blocked, failures=0), "r1", completed=False) == {}


def test_a_failed_run_leaves_an_item_that_was_blocked_meanwhile() -> None:
    blocked = replace(item(status="blocked", runs=["r1"]), reason="no key")
    assert after_run(blocked, "r1", completed=False) == {"failures": 1}


@pytest.mark.requirement("S4-12")
def test_what_starts_next_is_ready_free_and_of_the_highest_priority() -> None:
    ones = [
        item(1, status="ready"),
        item(2, status="ready", priority=10),
        item(3, status="ready", needs=["W-9"]),
        item(4),
    ]
    free, waiting = startable([*ones, item(9)])
    assert [each.id for each in free] == ["W-2", "W-1"]
    assert waiting == {"W-3": ("W-3 waits for W-9.", "Finish it first, or drop it: wfe-mcp work show W-9")}
    assert [each.id for each in startable(ones)[0]] == ["W-2", "W-1", "W-3"]


def test_what_can_start_of_thousands_of_items_of_one_milestone_is_listed_in_linear_time() -> None:
    one, began = item(status="ready", parent="W-1"), time.process_time()
    milestone = item(kind="milestone", status="ready")
    free, _ = startable([milestone, *(replace(one, id=f"W-{number}") for number in range(2, 6_000))])
    assert (len(free), time.process_time() - began < 5) == (5_999, True)


@pytest.mark.requirement("S3-01", "S3-23")
def test_an_item_waits_for_what_its_milestone_needs_and_a_milestone_is_worked_whole_or_by_its_items() -> None:
    def milestone(number: int, **values: Any) -> Item:
        return item(number, kind="milestone", sequential=True, **values)

    later = [milestone(1, status="planned"), milestone(2, needs=["W-1"]), item(3, parent="W-2", status="ready")]
    assert startable(later)[1]["W-3"][0] == "W-3 waits for W-1, which W-2 needs."
    whole = [milestone(1, status="active"), item(2, parent="W-1", status="ready")]
    assert startable(whole)[1]["W-2"][0] == "W-1 is worked as a whole, and W-2 with it."
    parts = [
        milestone(1, status="ready"),
        item(2, parent="W-1", status="active"),
        item(3, parent="W-1", status="ready"),
    ]
    assert {each: why for each, (why, _) in startable(parts)[1].items()} == {
        "W-1": "W-2 is active, and of the items of W-1 one is worked at a time.",
        "W-3": "W-2 is active, and of the items of W-1 one is worked at a time.",
    }


def test_the_items_of_a_dropped_milestone_wait() -> None:
    dropped = item(1, kind="milestone", status="dropped")
    part = item(2, parent="W-1", status="ready")
    free, waiting = startable([dropped, part])
    assert (free, waiting["W-2"][0]) == ([], "W-2 is part of W-1, which was dropped.")
    refuse_move(part, ItemStatus.ACTIVE, "run", [replace(dropped, status=ItemStatus.DONE)])


@pytest.mark.requirement("S4-19")
@pytest.mark.parametrize(
    ("kind", "tags", "asks", "criterion"),
    [
        ("bug", [], "what happens", "fails before the change"),
        ("threat", [], "who attacks", "plays the attack"),
        ("requirement", [], "who needs it", "required behaviour"),
        ("finding", [], "what was found", "found no more"),
        ("task", ["store", "Refactor"], "which structure", "none of them was changed"),
        ("task", ["bug"], "what happens", "fails before the change"),
    ],
)
def test_what_is_missing_is_asked_for_by_kind_and_filled_in_by_kind(
    kind: str, tags: list[str], asks: str, criterion: str
) -> None:
    bare = with_values(new_item("W-1", ItemKind(kind), {"title": "The login", "tags": tags}), {"criteria": []})
    lacks, fill = missing(bare), missing_values(bare)
    assert (asks in lacks["body"], criterion in lacks["criteria"]) == (True, True)
    assert missing(with_values(bare, fill)) == {}
    assert criterion in fill["criteria"][0]


@pytest.mark.requirement("S4-19")
def test_a_plain_task_is_described_by_its_author_alone() -> None:
    bare = new_item("W-1", ItemKind.TASK, {"title": "No"})
    assert (set(missing(bare)), missing_values(bare)) == ({"title", "body", "criteria"}, {})


@pytest.mark.parametrize(
    ("source", "valid"),
    [
        ("https://github.com/ada/tides/issues/7", True),
        ("http://localhost:8080/7", True),
        ("docs/plan.md#TASK-001", True),
        ("javascript://alert(1)", False),
        ("https://ada:secret@github.com/7", False),
        ("https://a b", False),
    ],
)
def test_where_an_item_came_from_is_a_file_or_an_address_without_a_name_in_it(source: str, *, valid: bool) -> None:
    if valid:
        assert item(source=source).source == source
    else:
        with pytest.raises(Refused, match="is no address"):
            item(source=source)


@pytest.mark.parametrize(
    ("first", "second", "touches"),
    [
        ("src/login", "src/login/form.py", True),
        ("src/login/form.py", "src/login", True),
        ("src/*", "src/login", True),
        ("src/login", "src/log", False),
        ("docs/**", "src", False),
        ("**", "src", True),
        ("a?c", "a", True),
        ("a[1]/b", "b", False),
        ("src/test_*.py", "src/test_login.py", True),
        ("src/log*", "src/login/form.py", True),
        ("src/log*", "src/lo?in", True),
        ("src/log*", "src/out.py", False),
    ],
)
def test_scopes_touch_up_to_their_first_wildcard(first: str, second: str, *, touches: bool) -> None:
    assert bool(overlap([first], [second])) is touches
