"""A word that hardly any entry has is found as one that all have: in order, each once, page by page."""

from tests.store.scene import add_plan, create
from wfe_mcp.store import Store
from wfe_mcp.store.words.query import parse_query


def test_a_rare_word_is_found_behind_hundreds_of_newer_entries(store: Store) -> None:
    with store.tx() as tx:
        run = create(tx, "R-1").record.id
        for number in range(900):
            add_plan(tx, run, f"{'zephyr ' if number in {1, 2, 3, 450, 899} else ''}common {number}")

    with store.read() as tx:
        first = tx.search.find(parse_query("zephyr"), limit=2)
        second = tx.search.find(parse_query("zephyr"), limit=9, cursor=first.cursor_after(2))
    said = [int(hit.text.rsplit(" ", 1)[1].rstrip(".")) for hit in (*first.hits, *second.hits)]
    assert said == [899, 450, 3, 2, 1]
