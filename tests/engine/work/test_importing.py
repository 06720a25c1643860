"""An import of entries that earlier versions imported, or that moves items between milestones."""

from dataclasses import replace
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, refused
from tests.engine.test_statements import statements
from wfe_mcp.core.items import Item, ItemKind, ItemStatus
from wfe_mcp.engine.work.importing import ImportedEntries, import_entries
from wfe_mcp.engine.work.items import add_item, change_item
from wfe_mcp.importers.entries import Entries, Entry, describe_entry


def entry(key: str, title: str, kind: ItemKind = ItemKind.TASK, parent: str = "", **values: Any) -> Entry:
    return Entry(key, kind, describe_entry(title, "What is to be done", ["it is there"]) | values, parent)


def imported(scene: Scene, *entries: Entry) -> ImportedEntries:
    return import_entries(scene.engine, AGENT, "plan.md", Entries("plan", entries))


def item(scene: Scene, name: str) -> Item:
    with scene.store.read() as tx:
        return tx.items.get(scene.engine.project_id, name)


def without_mark(scene: Scene, name: str, field: str) -> None:
    """The item as a version imported it that did not read ``field``."""
    with scene.store.tx() as tx:
        found = tx.items.get(scene.engine.project_id, name)
        marks = tuple(each for each in found.imported if not each.startswith(f"{field}:"))
        tx.items.change(scene.engine.project_id, found, {"imported": marks}, AGENT, scene.clock())


def test_a_field_that_an_earlier_version_did_not_import_is_taken_unless_it_was_set_here(scene: Scene) -> None:
    imported(scene, entry("A", "Read the tables"), entry("B", "Print the tables"))
    for name in ("W-1", "W-2"):
        without_mark(scene, name, "tags")
    change_item(scene.engine, AGENT, "W-2", {"tags": ["mine"]})

    made = imported(scene, entry("A", "Read the tables", tags=["data"]), entry("B", "Print the tables", tags=["data"]))
    assert (item(scene, "W-1").tags, item(scene, "W-2").tags) == (("data",), ("mine",))
    assert [(each.id, values) for each, values in made.changed] == [("W-1", {"tags": ["data"]})]
    assert [each.id for each, _ in made.kept] == ["W-2"]


def test_a_milestone_that_is_done_is_open_again_when_an_import_puts_open_work_under_it(scene: Scene) -> None:
    stones = (entry("M1", "Tables", ItemKind.MILESTONE), entry("M2", "Output", ItemKind.MILESTONE))
    imported(scene, *stones, entry("A", "Read the tables", parent="M1"), entry("B", "Print", parent="M2"))
    change_item(scene.engine, HUMAN, "W-3", {}, "ready")
    change_item(scene.engine, HUMAN, "W-3", {}, "done")
    assert item(scene, "W-1").status is ItemStatus.DONE

    made = imported(scene, *stones, entry("A", "Read the tables", parent="M1"), entry("B", "Print", parent="M1"))
    assert [each.id for each, _ in made.changed] == ["W-4"]
    assert item(scene, "W-1").status is ItemStatus.PLANNED


@pytest.mark.attack("an import turns a claim into a task, or gives it another status", "held", "S4-21")
def test_no_entry_of_a_file_is_a_claim(scene: Scene) -> None:
    scene.check("bench", "pass")
    tests = [{"type": "script", "check": "bench"}]
    claim = add_item(scene.engine, AGENT, "claim", {"title": "It is fast", "tests": tests, "source": "plan.md#A"})

    made = imported(scene, entry("A", "It is fast"))
    assert item(scene, claim.id) == claim
    assert [(each.id, each.kind) for each in made.added] == [("W-2", ItemKind.TASK)]
    assert made.gone == []
    assert imported(scene, entry("A", "It is fast")).unchanged == 1


def test_an_import_of_entries_that_each_wait_for_the_one_before_asks_the_database_no_more_for_each(
    scene: Scene,
) -> None:
    def again(number: int) -> int:
        entries = [
            replace(entry(f"T-{at}", f"Task {at}"), needs=(f"T-{at - 1}",) if at else ()) for at in range(number)
        ]
        imported(scene, *entries)
        return len(statements(lambda: imported(scene, *entries)))

    assert again(40) == again(20)


def test_needs_of_a_file_that_lead_back_over_an_item_of_another_one_are_refused(scene: Scene) -> None:
    first, last = entry("A", "First"), entry("B", "Last")
    imported(scene, first, last)
    change_item(scene.engine, AGENT, "W-1", {"needs": [add_item(scene.engine, AGENT, "task", {"title": "Mine"}).id]})
    change_item(scene.engine, AGENT, "W-3", {"needs": ["W-2"]})

    no = refused(imported, scene, first, replace(last, needs=("A",)))

    assert (no.code, no.message) == ("bad_argument", "W-1 would come before itself.")
    assert item(scene, "W-2").needs == ()
