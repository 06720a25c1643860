"""Verification finds every change to the log, the state and the records."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.store.scene import AGENT, NOW, PLAN, add_plan, create, raw, step, tamper
from wfe_mcp.core import events as e
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import RunId, Stage
from wfe_mcp.store import Store
from wfe_mcp.store.integrity.record_seals import GENESIS, AnchoredEvent, Link, link_hash
from wfe_mcp.store.records.runs import EvidenceRecord

RUN = RunId("R-1")


@pytest.fixture
def run(store: Store) -> RunId:
    """A run with four events and one artifact."""
    with store.tx() as tx:
        loaded = create(tx, RUN)
        add_plan(tx, RUN)
    claimed = e.PhaseStarted(phase=PLAN, attempt=1, holder="h", started_at=NOW)
    loaded = step(store, loaded, claimed)
    step(store, loaded, e.RunPaused(by_human=True, reason="lunch"))
    return RUN


def problems(store: Store, *anchors: tuple[int, str]) -> list[Discrepancy]:
    with store.read() as tx:
        return tx.verification.problems(RUN, [AnchoredEvent(seq, hash_, NOW) for seq, hash_ in anchors])


def words(found: Sequence[Discrepancy]) -> list[tuple[str, str, int | None]]:
    return [(discrepancy.where, discrepancy.message, discrepancy.seq) for discrepancy in found]


def places(found: Sequence[Discrepancy]) -> list[str]:
    return [problem.where for problem in found]


@pytest.mark.usefixtures("run")
def test_an_untouched_run_is_intact(store: Store) -> None:
    with store.read() as tx:
        third = tx.events.of_run(RUN)[2]

    assert problems(store) == []
    assert problems(store, (third.seq, third.hash)) == []


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    "column",
    ["payload = replace(payload, 'h', 'H')", "at = '2020-01-01 00:00:00.000000'", "actor = 'eve'", "assurance = 3"],
)
def test_an_edited_event_is_found(store: Store, url: str, column: str) -> None:
    tamper(url, f"UPDATE event SET {column} WHERE seq = 3")

    assert ("event", "event 3 (PhaseStarted) was changed after it was written", 3) in words(problems(store))


@pytest.mark.usefixtures("run")
def test_a_rehashed_event_is_found_by_the_next_one(store: Store, url: str) -> None:
    with store.read() as tx:
        third = tx.events.of_run(RUN)[2]
    payload = canonical_json({**third.payload, "holder": "eve"})
    forged = link_hash(third.prev_hash, Link(RUN, 3, third.type, third.at, AGENT, payload))
    tamper(url, f"UPDATE event SET payload = '{payload}', hash = '{forged}' WHERE seq = 3")

    assert ("event", "event 4 does not continue event 3", 4) in words(problems(store))


@pytest.mark.usefixtures("run")
def test_a_missing_event_is_found(store: Store, url: str) -> None:
    tamper(url, "DELETE FROM event WHERE seq = 3")

    assert words(problems(store))[0] == ("event", "events 3 to 3 are missing", 4)


@pytest.mark.usefixtures("run")
def test_a_cut_tail_is_found_by_the_run_row(store: Store, url: str) -> None:
    tamper(url, "DELETE FROM event WHERE seq = 4")

    assert "tail" in places(problems(store))


@pytest.mark.usefixtures("run")
def test_a_cut_tail_with_a_fitting_run_row_is_found_by_an_anchor(store: Store, url: str) -> None:
    with store.read() as tx:
        before, last = tx.events.of_run(RUN)[2:]
        state = tx.events.replay(RUN)
    assert state.reason == "lunch"
    tamper(
        url,
        "DELETE FROM event WHERE seq = 4",
        f"UPDATE run SET last_seq = 3, last_hash = '{before.hash}', status = 'running', "
        "state = replace(replace(replace(state, '\"paused\"', '\"running\"'), 'lunch', ''), "
        "'\"paused_by_human\":true', '\"paused_by_human\":false')",
    )

    assert problems(store) == []
    (found,) = problems(store, (before.seq, before.hash), (last.seq, last.hash))
    assert words([found]) == [("anchor", "event 4 was anchored, the log ends with 3", 4)]
    assert (found.code, found.since) == ("tail_cut", NOW)


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE run SET tainted = (1 = 1)", "run"),
        ("UPDATE run SET state = replace(state, 'lunch', 'dinner')", "run"),
        ("UPDATE run SET state = 'gone'", "run"),
        ("UPDATE attempt SET status = 'completed' WHERE phase = 'plan'", "attempt 1 of 'plan'"),
        ("UPDATE attempt SET state = replace(state, '\"h\"', '\"eve\"')", "attempt 1 of 'plan'"),
        ("DELETE FROM attempt WHERE phase = 'plan'", "attempt 1 of 'plan'"),
        ("UPDATE attempt SET attempt = 2 WHERE phase = 'plan'", "attempt 2 of 'plan'"),
        ("UPDATE revision SET content = '{}'", "revision 1 of 'plan'"),
        ("UPDATE document SET content = '{}' WHERE content LIKE '%goal%'", "document 'inputs'"),
        ("UPDATE event SET type = 'Nonsense' WHERE seq = 3", "event"),
    ],
)
def test_an_edited_row_is_found(store: Store, url: str, statement: str, where: str) -> None:
    tamper(url, statement)

    assert where in places(problems(store))


@pytest.mark.usefixtures("run")
def test_a_state_written_by_a_version_with_fewer_fields_is_still_the_same(store: Store, url: str) -> None:
    tamper(url, "UPDATE attempt SET state = replace(state, ',\"forced\":false', '')")

    assert problems(store) == []


def test_an_event_moved_to_another_run_is_found(store: Store, url: str, run: RunId) -> None:
    with store.tx() as tx:
        create(tx, "R-2", at=NOW + timedelta(seconds=1))
    tamper(url, f"DELETE FROM event WHERE run_id = '{run}'", f"UPDATE event SET run_id = '{run}'")

    assert ("event", "event 1 (RunStarted) was changed after it was written", 1) in words(problems(store))


def test_an_unknown_run_is_a_problem(store: Store) -> None:
    assert places(problems(store)) == ["run"]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("statement", ["UPDATE event SET actor = 'eve'", "DELETE FROM event"])
def test_the_database_itself_refuses_to_change_events(url: str, statement: str) -> None:
    connection = raw(url)
    with pytest.raises(Exception, match="append-only"):
        connection.execute(statement)
    connection.close()


@pytest.mark.usefixtures("run")
def test_the_chain_is_the_documented_one(store: Store) -> None:
    """Anyone can recompute it from the rows with a JSON library and sha256."""
    previous = GENESIS
    with store.read() as tx:
        found = tx.events.of_run(RUN)
    for event in found:
        row = {
            "run": RUN,
            "seq": event.seq,
            "type": event.type,
            "at": event.at.isoformat(),
            "actor": event.actor,
            "channel": event.channel,
            "assurance": int(event.assurance),
            "payload": event.payload,
        }
        assert event.prev_hash == previous
        previous = sha256_hex(previous + canonical_json(row))
        assert event.hash == previous


@pytest.mark.usefixtures("run")
def test_events_are_read_in_order_from_where_one_was(store: Store) -> None:
    with store.read() as tx:
        assert [event.type for event in tx.events.of_run(RUN)] == [
            "RunStarted",
            "PhaseReady",
            "PhaseStarted",
            "RunPaused",
        ]
        assert [event.seq for event in tx.events.of_run(RUN, after=2, limit=1)] == [3]


def test_a_run_of_an_older_version_names_no_record_and_stays_verifiable(store: Store, url: str) -> None:
    with store.tx() as tx:
        create(tx, RUN)
    saw = EvidenceRecord("ev-1", RUN, PLAN, 1, 1, Stage.AFTER, 0, "command", None, None, None, None, NOW, {})
    with store.tx() as tx:
        tx.evidence.add(saw)
    assert problems(store) == []
    tamper(url, "DELETE FROM evidence")
    assert problems(store) == []


def test_records_are_named_by_the_next_step_of_their_own_run_only(store: Store) -> None:
    with store.tx() as tx:
        loaded, _ = create(tx, RUN), create(tx, "R-2")
        saw = EvidenceRecord(
            "ev-1", RunId("R-2"), PLAN, 1, 1, Stage.AFTER, 0, "command", None, None, None, None, NOW, {}
        )
        tx.evidence.add(saw)
        assert (tx.seals.has_unnamed(RUN), tx.seals.has_unnamed("R-2")) == (False, True)
        assert tx.runs.save(loaded, loaded.state, (), AGENT, NOW) is loaded
        other = tx.runs.load(RunId("R-2"))
        assert other is not None
        tx.runs.save(other, other.state, (), AGENT, NOW)
        assert [event.type for event in tx.events.of_run(RunId("R-2"))][-1] == "RecordsKept"
        assert not tx.seals.has_unnamed("R-2")


def test_names_that_cannot_be_read_are_an_edited_event_and_no_crash(store: Store, url: str) -> None:
    with store.tx() as tx:
        loaded = create(tx, RUN)
        saw = EvidenceRecord("ev-1", RUN, PLAN, 1, 1, Stage.AFTER, 0, "command", None, None, None, None, NOW, {})
        tx.evidence.add(saw)
        tx.runs.save(loaded, loaded.state, (), AGENT, NOW)
    assert problems(store) == []
    tamper(url, "UPDATE event SET payload = '{\"records\":[7]}' WHERE type = 'RecordsKept'")
    assert {one.code for one in problems(store)} == {"event_edited", "not_replayable"}
