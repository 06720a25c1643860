"""A run is found by its id, or by the beginning of it, before all else."""

from typing import Any

import pytest

from tests.store.scene import create
from tests.store.search.test_find import found
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store
from wfe_mcp.store.records.search import Kind


@pytest.mark.parametrize("query", ["k7f2", "K7F2*", "k7f2abcdef"])
@pytest.mark.parametrize("limit", [1, 2, 9])
def test_a_run_is_the_first_hit_of_its_id_and_of_its_beginning_and_is_found_once(
    store: Store, query: str, limit: int
) -> None:
    with store.tx() as tx:
        create(tx, "k7f2abcdef", template=query)
        create(tx, "m000000001", template=query)
        create(tx, "p000000001")

    hits = found(store, query, limit=limit)
    assert [(hit.run_id, hit.kind) for hit in hits] == [("k7f2abcdef", "run"), ("m000000001", "run")]


def test_several_runs_with_one_beginning_are_each_found_page_by_page(store: Store) -> None:
    with store.tx() as tx:
        for run in ("k7f2000002", "k7f2000001", "k7f3000000"):
            create(tx, run)

    assert [hit.run_id for hit in found(store, "k7f2", limit=1)] == ["k7f2000001", "k7f2000002"]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("k7f", {}),
        ("k7f2 other", {}),
        ("k7f2 NOT other", {}),
        ("k7f2", {"project_id": "/elsewhere/.git"}),
        ("k7f2", {"among": ["/elsewhere/.git"]}),
        ("k7f2", {"kind": Kind.EVENT}),
        ("k7f2", {"run_id": RunId("m000000001")}),
    ],
    ids=str,
)
def test_an_id_finds_no_run_with_fewer_letters_or_more_words_or_where_it_is_not_asked_for(
    store: Store, query: str, keys: dict[str, Any]
) -> None:
    with store.tx() as tx:
        create(tx, "k7f2abcdef")

    assert found(store, query, **keys) == []
