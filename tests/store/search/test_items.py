"""Work items in the search index: found by what they say now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.store.scene import AGENT, NOW, Clock, count_words
from tests.store.search.test_find import found, opinion
from tests.store.search.test_index import index_all, no
from wfe_mcp.core.items import ItemKind, new_item
from wfe_mcp.store import Store, sqlite
from wfe_mcp.store.records.search import Kind
from wfe_mcp.store.search.index import NO_RUN


def keep_item(store: Store, title: str, *bodies: str) -> str:
    """An item that gets one body after the other, all in one transaction; the id of its project."""
    with store.tx() as tx:
        project = tx.projects.id_of("/p/.git", "/p")
        item = new_item(tx.items.new_id(project), ItemKind.TASK, {"title": title})
        tx.items.add(project, item, AGENT, NOW)
        for body in bodies:
            item = tx.items.change(project, item, {"body": body}, AGENT, NOW)
    return project


def describe_item(store: Store, project: str, body: str) -> None:
    with store.tx() as tx:
        tx.items.change(project, tx.items.get(project, "W-1"), {"body": body}, AGENT, NOW + timedelta(hours=1))


def titles(store: Store, query: str) -> list[str]:
    return [hit.title for hit in found(store, query)]


def test_a_work_item_is_found_by_what_it_says_now_and_by_nothing_that_it_said_before(url: str, store: Store) -> None:
    project = keep_item(store, "Thank Ada", "a zephyr blew", "a monsoon blew")
    assert (titles(store, "zephyr"), titles(store, "monsoon")) == ([], ["W-1 Thank Ada"])
    describe_item(store, project, "a mistral blew")
    keep_item(store, "Thank Grace", "a mistral, too")

    assert titles(store, "monsoon") == []
    assert titles(store, "mistral") == ["W-1 Thank Ada", "W-2 Thank Grace"]
    assert [hit.kind for hit in found(store, "w-2")] == [Kind.WORK_ITEM]
    assert (count_words(url, "zephyr"), count_words(url, "monsoon"), count_words(url, "mistral")) == (0, 0, 2)
    with store.read() as tx:
        assert not tx.search_index.is_behind()


def test_work_items_come_into_a_rebuilt_index_and_their_words_leave_one_that_is_dropped(url: str, store: Store) -> None:
    project = keep_item(store, "Thank Ada", "a zephyr blew")
    with store.tx() as tx:
        opinion(tx, None)
        tx.search_index.rebuild()
    assert titles(store, "zephyr") == []
    describe_item(store, project, "a mistral blew")
    index_all(store)
    assert "W-1 Thank Ada" not in titles(store, "zephyr")
    assert titles(store, "mistral") == ["W-1 Thank Ada"]

    with store.tx() as tx:
        tx.search_index.drop(NO_RUN)
    assert count_words(url, "mistral") == 0


@pytest.mark.sqlite_only("PostgreSQL always has full-text search")
def test_a_work_item_that_a_library_without_fts5_changed_is_found_by_its_new_words(
    store: Store, url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = keep_item(store, "Thank Ada", "a zephyr blew")
    store.close()
    with monkeypatch.context() as without:
        without.setattr(sqlite, "has_fts5", no)
        plain = Store.open(url, clock=clock)
        describe_item(plain, project, "a mistral blew")
        plain.close()

    again = Store.open(url, clock=clock)
    with again.read() as tx:
        assert tx.search_index.is_behind()
    index_all(again)
    assert (titles(again, "zephyr"), titles(again, "mistral")) == ([], ["W-1 Thank Ada"])
    assert count_words(url, "zephyr") == 0
    again.close()


def test_an_undone_change_of_a_work_item_leaves_its_words(store: Store) -> None:
    project = keep_item(store, "Thank Ada", "a zephyr blew")

    def fail() -> None:
        with store.tx() as tx:
            tx.items.change(project, tx.items.get(project, "W-1"), {"body": "a mistral blew"}, AGENT, NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert (titles(store, "zephyr"), titles(store, "mistral")) == (["W-1 Thank Ada"], [])
