"""Words on PostgreSQL are found as on SQLite, up to the limits of ``tsvector``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.store.scene import create, raw
from tests.store.search.test_find import kinds, submit
from tests.store.test_plans import statements

if TYPE_CHECKING:
    from wfe_mcp.store import Store

pytestmark = pytest.mark.skipif(
    os.environ.get("WFE_TEST_DATABASE") != "postgresql", reason="PostgreSQL only: about its tsvector"
)


def start(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-1")


def test_a_long_text_is_found_by_all_its_words_and_by_its_first_phrases(store: Store) -> None:
    start(store)
    filler = " ".join(f"word{number}" for number in range(17_000))
    submit(store, "R-1", f"zephyr blew {filler} late mistral")

    assert kinds(store, '"zephyr blew"') == kinds(store, "late mistral") == ["artifact"]
    assert kinds(store, '"late mistral"') == [], "beyond the last place that a word can have"
    assert kinds(store, "mistral NOT zephyr") == []


def test_a_text_of_more_words_than_a_vector_holds_is_kept_and_found_by_the_first(store: Store) -> None:
    start(store)
    submit(store, "R-1", "zephyr " + " ".join(f"{number:09d}" for number in range(90_000)))

    assert kinds(store, "zephyr 000000123") == ["artifact"]
    assert kinds(store, "000089999") == []


def test_a_word_of_any_length_is_found(store: Store) -> None:
    start(store)
    submit(store, "R-1", "x" * 3_000)

    assert kinds(store, "x" * 900) == ["artifact"], "cut as the indexed one is"
    assert kinds(store, "y" * 900) == []


def test_quotes_and_operators_of_a_text_are_neither_words_nor_syntax(store: Store) -> None:
    start(store)
    submit(store, "R-1", "it's a\\b & !c | (d:*) <-> 'e'")

    assert kinds(store, "it's") == kinds(store, '"a b c d e"') == ["artifact"]


def test_no_word_of_a_text_is_taken_for_its_project_run_or_kind(store: Store) -> None:
    start(store)
    submit(store, "R-1", "kdecision _kdecision")

    assert kinds(store, "kdecision") == ["artifact"]


def test_a_rare_word_is_found_without_reading_all_entries(store: Store, url: str) -> None:
    start(store)
    submit(store, "R-1", "zephyr")
    past = raw(url)
    past.execute(
        "INSERT INTO find_entry SELECT id + n, project_id, run_id, kind, source, ref, part, title "
        "FROM find_entry, generate_series(1, 20000) AS n WHERE source = 'revision'"
    )
    past.execute(
        "INSERT INTO find_text SELECT rowid + n, CAST('common w' || n AS tsvector) FROM find_text, generate_series(1, 20000) AS n "
        "WHERE words @@ 'zephyr'"
    )
    past.execute("VACUUM ANALYZE find_entry, find_text")
    with statements() as seen:
        assert kinds(store, "zephyr") == ["artifact"]
    plans = [past.connection.execute(f"EXPLAIN {sql}", values).fetchall() for sql, values in seen if "find_" in sql]
    past.close()

    assert len(plans) >= 3
    assert [step for plan in plans for (step,) in plan if "Seq Scan" in step] == []
