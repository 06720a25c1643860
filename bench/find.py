"""Measures full-text search among very many artifacts, and the cost of its index.

The artifacts are texts of words with natural frequencies (Zipf), each with a unique path and number. They are written
directly to the database, as copies of a real run, and indexed as in a database without an index.
"""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench.calls import copy_runs
from bench.figures import Figure, median, percentile

if TYPE_CHECKING:
    from bench.scene import Scene, Server


BUDGET_MS = 50
_WORDS = 20_000
_TEXTS = 500
_LENGTH = 600


def measure(scene: Scene, artifacts: int, times: int) -> list[Figure]:
    """p50 and p99 of ``find`` (ms, over MCP) for each shape of query; bytes and time of the index."""
    words = _fill(scene, artifacts)
    before = scene.database.stat().st_size
    seconds, longest_ms = _index(scene)
    grown = scene.database.stat().st_size - before
    figures = [
        Figure(f"indexing {artifacts:,} artifacts that were there before", seconds, "s"),
        Figure("  longest step that writers wait for", longest_ms, "ms"),
        Figure("  index on disk, each artifact (text of about 4 kB)", grown / artifacts / 1_000, "kB"),
    ]
    with scene.server() as server:
        server.hello()
        server.call("find", query="warm up")
        for name, arguments in _shapes(words, artifacts).items():
            spent, hits = _timed(server, times, arguments)
            figures.append(Figure(f"find {name} p50", median(spent), "ms", BUDGET_MS, f"{hits} hit(s) a page"))
            figures.append(Figure(f"find {name} p99", percentile(spent, 99), "ms"))
    return figures


def _shapes(words: list[str], artifacts: int) -> dict[str, dict[str, object]]:
    common, middle, rare = words[0], words[300], f"number{artifacts // 2}"
    return {
        "a rare word": {"query": rare},
        "a word of every artifact": {"query": common},
        "a word of some": {"query": middle},
        "a path": {"query": f"src/part_{artifacts // 3}.py"},
        "a phrase of common words": {"query": f'"{common} {words[1]}"'},
        "two words of every artifact": {"query": f"{common} {words[1]}"},
        "a beginning": {"query": f"{middle[:4]}*"},
        "one of two": {"query": f"{middle} OR {rare}"},
        "common, not common": {"query": f"{common} NOT {words[1]}"},
        "common, only events (none)": {"query": common, "kind": "event"},
        "common, only artifacts": {"query": common, "kind": "artifact"},
        "common, in one old run": {"query": common, "run": f"copy-{artifacts - 1}-7"},
        "a word of every artifact, 50 hits": {"query": common, "limit": 50},
        "nothing": {"query": "neversaid"},
    }


def _fill(scene: Scene, artifacts: int) -> list[str]:
    """``artifacts`` runs with a text each; the words by frequency."""
    rng = random.Random(7)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = sorted(
        {"".join(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(_WORDS)}, key=lambda _: rng.random()
    )
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(words) + 1)))
    texts = [" ".join(rng.choices(words, cum_weights=weights, k=_LENGTH)) for _ in range(_TEXTS)]
    connection = sqlite3.connect(scene.database, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("BEGIN IMMEDIATE")
    copy_runs(connection, artifacts - 1)
    ids = [row[0] for row in connection.execute("SELECT id FROM revision ORDER BY id")]
    rows = (
        (
            json.dumps(
                {"front": {}, "body": f"{texts[at % _TEXTS]} src/part_{at}.py number{at} {words[0]} {words[1]}"}
            ),
            id_,
        )
        for at, id_ in enumerate(ids)
    )
    connection.executemany("UPDATE revision SET content = ? WHERE id = ?", rows)
    connection.execute("COMMIT")
    connection.close()
    return words


def _index(scene: Scene) -> tuple[float, float]:
    """Seconds until every run is indexed; milliseconds of the longest transaction."""
    from wfe_mcp.store import Store

    store = Store.open(f"sqlite:///{scene.database.as_posix()}", clock=lambda: datetime.now(UTC))
    began = time.perf_counter()
    longest, after = 0.0, None
    while True:
        step = time.perf_counter()
        with store.tx() as tx:
            after = tx.search_index.index_missing(after)
        longest = max(longest, time.perf_counter() - step)
        if after is None:
            break
    store.close()
    return time.perf_counter() - began, longest * 1000


def _timed(server: Server, times: int, arguments: dict[str, object]) -> tuple[list[float], int]:
    spent: list[float] = []
    hits = 0
    for _ in range(times):
        began = time.perf_counter()
        answer = server.call("find", **arguments)["structuredContent"]
        spent.append((time.perf_counter() - began) * 1000)
        assert answer["ok"], answer
        hits = len(answer["data"]["hits"])
    return spent, hits
