"""The search index agrees with the tables, is built in steps and survives older versions of either."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.store.scene import (
    ADA,
    AGENT,
    AS_OF_0004,
    AS_OF_0005,
    NOW,
    PLAN,
    Clock,
    add_plan,
    count_words,
    create,
    fold,
    raw,
    step,
    tamper,
)
from tests.store.search.test_find import EVERY_KIND, everything, found, kinds, opinion, submit
from wfe_mcp.core import events as e
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store, sqlite
from wfe_mcp.store.records.search import Kind
from wfe_mcp.store.search.index import NO_RUN
from wfe_mcp.store.words.query import parse_query

if TYPE_CHECKING:
    from pathlib import Path


def no(_: object) -> bool:
    return False


def test_an_undone_transaction_leaves_nothing_in_the_index(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-1")

    def fail() -> None:
        with store.tx() as tx:
            add_plan(tx, RunId("R-1"), "never happened")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert found(store, "happened") == []


def index_all(store: Store, most: int = 400) -> int:
    steps, after = 0, None
    while True:
        steps += 1
        with store.tx() as tx:
            after = tx.search_index.index_missing(after, most)
        if after is None:
            return steps


@pytest.mark.sqlite_only("PostgreSQL begins at a later revision")
def test_an_old_database_is_upgraded_at_once_and_indexed_in_short_steps(url: str, store: Store, clock: Clock) -> None:
    everything(store)
    with store.tx() as tx:
        for number in range(2, 6):
            create(tx, f"R-{number}")
            add_plan(tx, RunId(f"R-{number}"), "zephyr again")
        opinion(tx, None, "o-2")
    before = sorted(kinds(store, "zephyr"))
    store.close()
    tamper(url, *AS_OF_0004)

    upgraded = Store.open(url, clock=clock)
    with upgraded.read() as tx:
        assert tx.search_index.is_behind()
        assert tx.search_index.health().waiting == 6
    assert found(upgraded, "zephyr") == []
    submit(upgraded, "R-2", "said since")
    assert index_all(upgraded, most=3) > 1
    with upgraded.read() as tx:
        assert not tx.search_index.is_behind()
        assert (tx.search_index.health().waiting, tx.search_index.health().has_fts5) == (0, True)

    assert sorted(kinds(upgraded, "zephyr")) == before
    assert kinds(upgraded, "since") == ["artifact"]
    upgraded.close()


@pytest.mark.sqlite_only("PostgreSQL begins at a later revision")
def test_an_index_without_titles_is_built_again(url: str, store: Store, clock: Clock) -> None:
    everything(store)
    index_all(store)
    before = sorted(kinds(store, "zephyr"))
    store.close()
    tamper(url, *AS_OF_0005, "UPDATE find_run SET version = 1")

    upgraded = Store.open(url, clock=clock)
    with upgraded.read() as tx:
        assert tx.search_index.is_behind()
    index_all(upgraded)

    assert sorted(kinds(upgraded, "zephyr")) == before
    assert kinds(upgraded, "ada")[0] == "decision"  # in its title
    upgraded.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM find_run WHERE run_id = 'R-1'",
        "DELETE FROM find_run",
        "UPDATE find_run SET version = 1 WHERE run_id = ''",
    ],
)
def test_what_was_taken_from_the_index_past_the_store_waits(url: str, store: Store, statement: str) -> None:
    everything(store)
    index_all(store)
    before = sorted(kinds(store, "zephyr"))
    tamper(url, statement)
    with store.read() as tx:
        assert tx.search_index.is_behind()

    index_all(store)

    with store.read() as tx:
        assert not tx.search_index.is_behind()
    assert sorted(kinds(store, "zephyr")) == before


@pytest.mark.sqlite_only("the copy is made by statements of SQLite")
def test_a_run_that_was_copied_past_the_store_waits(url: str, store: Store) -> None:
    everything(store)
    index_all(store)
    connection = raw(url)
    names = [row[1] for row in connection.execute("PRAGMA table_info(run)")]
    taken = ", ".join("'R-9'" if name == "id" else f'"{name}"' for name in names)
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute(f"INSERT INTO run SELECT {taken} FROM run WHERE id = 'R-1'")
    connection.close()
    with store.read() as tx:
        assert tx.search_index.is_behind()

    index_all(store)

    assert "R-9" in {hit.run_id for hit in found(store, "größer")}


def test_a_title_without_end_still_comes_first_by_its_beginning(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-0", template="needle " + "x" * 5_000 + " thread")
        add_plan(tx, RunId("R-0"), "needle thread")

    assert kinds(store, "needle") == ["run", "artifact"]
    assert kinds(store, "needle thread") == ["artifact", "run"]


def test_indexing_again_changes_nothing_and_dropping_takes_every_word(url: str, store: Store) -> None:
    everything(store)
    before = found(store, "zephyr")
    with store.tx() as tx:
        assert tx.search_index.index_run(RunId("R-1")) == tx.search_index.index_run(RunId("R-1")) == 8
        assert tx.search_index.index_run(RunId("nowhere")) == 0
    assert sorted(found(store, "zephyr"), key=str) == sorted(before, key=str)

    with store.tx() as tx:
        assert tx.search_index.drop(RunId("R-1")) == 8
    assert count_words(url, "zephyr") == 0


def test_a_rebuilt_index_says_what_the_tables_say(url: str, store: Store) -> None:
    everything(store)
    with store.tx() as tx:
        opinion(tx, None, "o-2")
    index_all(store)
    before = sorted(map(str, found(store, "zephyr")))
    tamper(url, "DELETE FROM find_entry WHERE kind = 'finding'")

    with store.tx() as tx:
        tx.search_index.rebuild()
    index_all(store)

    assert sorted(map(str, found(store, "zephyr"))) == before


def test_a_run_that_an_older_process_wrote_to_is_indexed_again(url: str, store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, "R-1")
    index_all(store)
    tamper(url, "UPDATE find_run SET last_seq = last_seq - 1 WHERE run_id = 'R-1'")  # an event came that is not indexed
    with store.read() as tx:
        assert (tx.search_index.is_behind(), tx.search_index.health(deep=True).waiting) == (False, 1)

    step(store, loaded, e.AttemptFailed(phase=PLAN, attempt=1, kind=FailKind.GATE, reason="zephyr"))
    with store.read() as tx:
        assert tx.search_index.is_behind()
    index_all(store)

    assert kinds(store, "zephyr") == ["event"]


def test_an_index_by_older_rules_is_built_again_and_one_by_newer_rules_left_alone(url: str, store: Store) -> None:
    everything(store)
    index_all(store)
    tamper(url, "UPDATE find_run SET version = 0", "DELETE FROM find_entry WHERE kind = 'artifact'")
    index_all(store)
    assert kinds(store, "zephyr", kind=Kind.ARTIFACT) == ["artifact"]

    tamper(url, "UPDATE find_run SET version = 99")
    with store.read() as tx:
        assert tx.search_index.health().waiting == 0


def test_opinions_outside_runs_are_found_in_their_project(store: Store) -> None:
    with store.tx() as tx:
        opinion(tx, None)
        ours = tx.projects.id_of("/p/.git", "/p")
    with store.read() as tx:
        assert not tx.search_index.is_behind(), "the first one is indexed as it is written"
    with store.tx() as tx:
        opinion(tx, None, "o-2")

    hits = found(store, "leaks", project_id=ours)
    assert [(hit.run_id, hit.kind.value) for hit in hits] == [(None, "finding")] * 2
    with store.tx() as tx:
        assert tx.search_index.health().waiting == 0
        assert tx.search_index.drop(NO_RUN) == 4
    with store.read() as tx:
        health = tx.search_index.health()
        assert (health.outside_waits, health.waiting_runs) == (True, 0), "what is in no run is no run"


def test_many_things_of_one_second_have_an_order_and_a_place(store: Store, url: str) -> None:
    with store.tx() as tx:
        create(tx, "R-1", at=NOW + timedelta(hours=30))
        for number in range(700):
            add_plan(tx, RunId("R-1"), f"same second {number}")
    with store.tx() as tx:
        create(tx, "R-0", at=NOW - timedelta(days=1))
        tx.search_index.index_run(RunId("R-1"))

    newest = found(store, "second")[0]
    assert newest.revision == 700
    assert [hit.run_id for hit in found(store, "tiny")] == ["R-1", "R-0"]


def test_a_row_that_is_gone_is_no_hit(store: Store, url: str) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
    submit(store, "R-1", "gone")
    tamper(url, "DELETE FROM revision")

    assert found(store, "gone") == []
    with store.tx() as tx:
        assert tx.search_index.drop(RunId("R-1")) == 2


@pytest.mark.sqlite_only("PostgreSQL always has full-text search")
def test_without_fts5_everything_is_written_and_find_says_what_to_install(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library without FTS5 can be had nowhere here: what the store asks it is answered no."""
    url = f"sqlite:///{tmp_path / 'plain.db'}"
    with monkeypatch.context() as without:
        without.setattr("wfe_mcp.store.schema.upgrade.has_fts5", no)
        without.setattr(sqlite, "has_fts5", no)
        plain = Store.open(url, clock=clock)
        everything(plain)
        with plain.read() as tx:
            assert not tx.search_index.health().has_fts5
            with pytest.raises(Refused, match="FTS5") as refused:
                tx.search.find(parse_query("zephyr"))
        assert refused.value.code == "unavailable"
        with plain.tx() as tx, pytest.raises(Refused, match="FTS5"):
            tx.search_index.index_missing()
        with plain.tx() as tx:
            assert tx.search_index.drop(RunId("R-1")) == 0
        plain.close()

    store = Store.open(url, clock=clock)
    assert found(store, "zephyr") == []
    submit(store, "R-1", "zephyr not yet")
    index_all(store)
    assert len(found(store, "zephyr")) == sum(EVERY_KIND.values()) + 1
    store.close()


@pytest.mark.sqlite_only("PostgreSQL always has full-text search")
def test_an_indexed_file_is_written_by_a_library_without_fts5_and_fixed_later(
    store: Store, url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(store)
    index_all(store)
    store.close()
    with monkeypatch.context() as without:
        without.setattr(sqlite, "has_fts5", no)
        plain = Store.open(url, clock=clock)
        submit(plain, "R-1", "late words")
        plain.close()

    again = Store.open(url, clock=clock)
    with again.read() as tx:
        assert tx.search_index.is_behind()
    index_all(again)
    assert kinds(again, "late") == ["artifact"]
    again.close()


def test_the_order_and_the_words_survive_a_json_of_any_shape(store: Store) -> None:
    content = canonical_json({"a/b~c": [1, None, True, {"x": ["", "deep needle"]}], "findings": "none", "n": 1.5})
    odd = canonical_json({"findings": [1, {"no": "title"}, {"title": {"en": "odd needle"}, "severity": ["x"]}]})
    with store.tx() as tx:
        create(tx, "R-1")
        for text in (content, odd):
            tx.artifacts.add_revision(
                RunId("R-1"), PLAN, 1, 1, "plan", "inline", text, sha256_hex(text), "mcp", "a note", NOW
            )

    assert [hit.pointer for hit in found(store, "deep needle")] == ["/a~1b~0c/3/x/1"]
    assert kinds(store, '"odd needle"', kind=Kind.FINDING) == ["finding"]
    assert kinds(store, '"a note"') == ["artifact", "artifact"]
    assert json.loads(content)["findings"] == "none"


def test_two_runs_in_one_transaction_are_both_indexed(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, "R-1")
        create(tx, "R-2")
        failed = e.AttemptFailed(phase=PLAN, attempt=1, kind=FailKind.GATE, reason="zephyr")
        tx.runs.save(loaded, fold(loaded.state, failed), [failed], AGENT, NOW)

    assert [hit.run_id for hit in found(store, "zephyr")] == ["R-1"]
    assert len(found(store, "tiny")) == 2


def test_what_is_copied_from_another_run_is_found_in_both(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
        add_plan(tx, RunId("R-1"), "zephyr")
        create(tx, "R-2")
        tx.artifacts.copy_revisions(RunId("R-1"), RunId("R-2"), {PLAN: 1}, 1)
    index_all(store)

    assert sorted(str(hit.run_id) for hit in found(store, "zephyr")) == ["R-1", "R-2"]


def test_a_pruned_run_takes_its_words_along(store: Store, url: str) -> None:
    everything(store)
    index_all(store)
    tamper(url, "UPDATE run SET ended_at = created_at")
    with store.tx() as tx:
        tx.retention.prune(tx.runs.find(tx.projects.id_of("/p/.git", "/p"), "R-1"), (), ADA, NOW)

    assert count_words(url, "zephyr") == 0
    with store.read() as tx:
        assert not tx.search_index.is_behind()
