"""Search finds every indexed text by its words, in every kind and order of events, and nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.scene import (
    ADA,
    AGENT,
    AS_OF_0004,
    AS_OF_0005,
    NOW,
    PLAN,
    Clock,
    add_plan,
    create,
    fold,
    new_run,
    raw,
    step,
    tamper,
)  # fmt: skip
from wfe_mcp.core import events as e
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, Feedback, RunId, Stage
from wfe_mcp.store import Store, database
from wfe_mcp.store.records.approvals import DecisionRecord, NewRequest
from wfe_mcp.store.records.opinions import OpinionRecord
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.store.records.search import Kind
from wfe_mcp.store.search.index import NO_RUN
from wfe_mcp.store.search.query import MAX_TERMS, parse_query
from wfe_mcp.store.search.words import SNIPPET_CHARS, folded, snippet, words

if TYPE_CHECKING:
    from pathlib import Path

    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.search import Hit


def found(store: Store, query: str, **keys: Any) -> list[Hit]:
    """Every hit, page by page."""
    hits: list[Hit] = []
    cursor = None
    with store.read() as tx:
        while True:
            page = tx.find(parse_query(query), cursor=cursor, **keys)
            hits += page.hits
            cursor = page.cursor_after(len(page.hits))
            if not cursor:
                return hits


def no(_: object) -> bool:
    return False


def kinds(store: Store, query: str, **keys: Any) -> list[str]:
    return [str(hit.kind) for hit in found(store, query, **keys)]


def submit(store: Store, run: str, text: str) -> None:
    with store.tx() as tx:
        add_plan(tx, RunId(run), text)


def opinion(tx: Tx, run: str | None, id_: str = "o-1", project: str = "/p/.git") -> None:
    value = {
        "verdict": "fail",
        "summary": "zephyr overall",
        "findings": [{"severity": "high", "title": "zephyr leaks"}],
    }
    tx.add_opinion(
        OpinionRecord(id_, tx.project_id(project, "/p"), RunId(run) if run else None, PLAN if run else None, 1 if run else None,
                      "call", "second", "openai", "m", "q", "", "fail", NOW, value)
    )  # fmt: skip


def everything(store: Store) -> None:
    """One run that says ``zephyr`` in every kind of row."""
    with store.tx() as tx:
        loaded = create(tx, "R-1")
        content = canonical_json(
            {"findings": [{"severity": "low", "title": "zephyr in a review", "file": "src/app.py"}]}
        )
        tx.add_revision(RunId("R-1"), PLAN, 1, 1, "review", "review@1", content, sha256_hex(content), "mcp", "", NOW)
        report = {"scanner": "bandit", "findings": [{"severity": "high", "title": "zephyr scanned"}]}
        tx.add_evidence(
            EvidenceRecord("ev-1", RunId("R-1"), PLAN, 1, 1, Stage.AFTER, 0, "command", None, None, None, None, NOW, {"security": report})
        )  # fmt: skip
        asked = tx.request(NewRequest(RunId("R-1"), PLAN, 1, Stage.AFTER, 1, "ab", Assurance.HUMAN), NOW)
        tx.decide(asked.id, DecisionRecord(False, "ada", ADA.channel, ADA.assurance, NOW, "zephyr is not what I meant"))
        opinion(tx, "R-1")
    step(store, loaded, e.AttemptFailed(phase=PLAN, attempt=1, kind=FailKind.GATE, reason="the zephyr gate said no"))


EVERY_KIND = {"artifact": 1, "event": 1, "decision": 1, "finding": 4}


# -- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("call parse_config() first", "parse_config"),
        ("call parse_config() first", "config"),
        ("see src/app.py.", "src/app.py"),
        ("see src/app.py.", "app.py"),
        ("T-12 is done", "T-12"),
        ("eine Prüfung der Größe", "prüfung größe"),
        ("eine Pru\u0308fung der Groesse", "prufung"),
        ("GRÖSSE", "größe"),
        ("検索は速い", "速い"),
        ("한국어 문서", "국어"),
        ("exit code 3", '"exit code"'),
        ("exit code 3", "EXIT"),
        ("parsing it", "pars*"),
        ("see src/application.py", "src/appl*"),
        ("one or two", "two OR never"),
        ("one or two", "one NOT never"),
        ("one or two", "one AND two"),
        ("don't", "don't"),
    ],
)
def test_words_names_and_paths_are_found_as_people_type_them(store: Store, text: str, query: str) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
    submit(store, "R-1", text)

    assert kinds(store, query, kind=Kind.ARTIFACT) == ["artifact"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("T-123 is done", "T-12"),
        ("parse the config", '"config parse"'),
        ("code exit", '"exit code"'),
        ("only one", "one two"),
        ("one and two", "one NOT two"),
        ("one and two", "one NOT two NOT three"),
        ("い速", "速い"),
        ("kartifact prun", "place:kartifact"),
    ],
)
def test_what_is_not_said_is_not_found(store: Store, text: str, query: str) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
    submit(store, "R-1", text)

    assert kinds(store, query) == []


@pytest.mark.parametrize(
    "query",
    ['"', '""', "*", "***", "a*", "NEAR(a b)", "^a", "title:x", "{title text}:x", "a AND", "OR", "NOT", "NOT a", "a NOT NOT b",
     "(((", "a)", "a OR OR b", "--", "'; DROP TABLE run", "a -b +c", "\U0001f600", "a\x00b", "x " * 40, "y" * 9_000, '"a" "b', "\\", "AND OR NOT",
     "- + ~ ! @ # $ %", "rowid:1", "a*b*c*", "ä*", "速*"],
)  # fmt: skip
def test_no_query_is_a_fault_of_ours(store: Store, query: str) -> None:
    everything(store)

    try:
        found(store, query)
    except Refused as refused:
        assert refused.code in {"bad_argument", "too_large"}
        assert refused.hint


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    try:
        expression = parse_query(text).expression()
    except Refused as refused:
        assert refused.code == "bad_argument"
    else:
        assert expression.count('"') % 2 == 0
        assert set(expression) - set('"{}():* ') <= set("".join(words(text)) + "titlexANDORNOT")


def test_what_is_too_much_is_refused() -> None:
    with pytest.raises(Refused, match="1,000") as long:
        parse_query("x" * 1_001)
    with pytest.raises(Refused, match=str(MAX_TERMS)) as many:
        parse_query("x " * (MAX_TERMS + 1))

    assert (long.value.code, many.value.code) == ("too_large", "too_large")


@given(st.text(max_size=80))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert words(folded(text)) == words(text)


def test_a_snippet_is_short_printable_and_around_the_place() -> None:
    text = "before " * 100 + "\x1b[31mGröße\u202e needle\n\nhere " + "after " * 100

    pointer, shown = snippet([("/a", "nothing here"), ("/b", text)], parse_query("größe needle").matchers)

    assert pointer == "/b"
    assert "Größe needle here" in shown.replace("  ", " ")
    assert len(shown) <= SNIPPET_CHARS
    assert shown.isprintable()
    assert (shown[0], shown[-1]) == ("…", "…")


def test_a_snippet_without_a_place_is_the_beginning() -> None:
    assert snippet([("", "first words"), ("/b", "more")], parse_query("title").matchers) == ("", "first words")
    assert snippet([], parse_query("title").matchers) == ("", "")


# -- kinds, filters, order -------------------------------------------------------------------------------------------


def test_every_kind_of_row_is_found_by_what_it_says(store: Store) -> None:
    everything(store)

    assert {kind: kinds(store, "zephyr").count(kind) for kind in EVERY_KIND} == EVERY_KIND
    assert {hit.source for hit in found(store, "zephyr", kind=Kind.FINDING)} == {"revision", "evidence", "opinion"}
    assert kinds(store, "größer") == ["run"]
    assert kinds(store, '"Run R-1"') == ["run"]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_kind_brings_only_itself(store: Store, kind: str) -> None:
    everything(store)

    assert kinds(store, "zephyr", kind=Kind(kind)) == [kind] * EVERY_KIND[kind]


def test_a_hit_says_where_it_stands(store: Store) -> None:
    everything(store)
    [artifact] = found(store, '"zephyr in a review"', kind=Kind.ARTIFACT)
    [event] = found(store, "gate", kind=Kind.EVENT)
    [finding] = found(store, "app.py zephyr", kind=Kind.FINDING)

    assert (artifact.run_id, artifact.phase, artifact.attempt, artifact.name, artifact.revision) == (
        "R-1",
        PLAN,
        1,
        "review",
        1,
    )
    assert (artifact.pointer, artifact.text) == ("/findings/0/title", "zephyr in a review")
    assert (event.title, event.seq, event.text) == ("AttemptFailed, event 3", 3, "the zephyr gate said no")
    assert (finding.title, finding.pointer) == ("finding of review (low)", "/findings/0")


def test_feedback_and_verdicts_are_what_an_event_says(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, "R-1")
    note = Feedback(PLAN, 1, "mind the gaps")
    step(store, loaded, e.AttemptFailed(phase=PLAN, attempt=1, kind=FailKind.GATE, reason="x"),
         e.AttemptOpened(phase=PLAN, attempt=2, status=loaded.state.attempts[PLAN][0].status, feedback=(note,)))  # fmt: skip

    assert [hit.title for hit in found(store, "gaps")] == ["AttemptOpened, event 4"]


def test_a_run_and_a_project_bring_only_their_own(store: Store) -> None:
    with store.tx() as tx:
        for run in ("R-1", "R-2"):
            create(tx, run)
            add_plan(tx, RunId(run), "shared words")
        ours, theirs = tx.project_id("/p/.git", "/p"), tx.project_id("/other/.git", "/other")

    assert [hit.run_id for hit in found(store, "shared", run_id=RunId("R-2"))] == ["R-2"]
    assert len(found(store, "shared", project_id=ours)) == 2
    assert found(store, "shared", project_id=theirs) == []
    assert found(store, "shared", run_id=RunId("R2")) == []


def test_titles_come_first_then_the_newest(store: Store) -> None:
    for number, text in enumerate(["plain", "needle one", "needle two"]):
        with store.tx() as tx:
            new = new_run(tx, f"R-{number}")
            create(tx, f"R-{number}", at=NOW + timedelta(minutes=number), template="needle" if number == 0 else "tiny")
            content = canonical_json({"text": text})
            tx.add_revision(
                new.id,
                PLAN,
                1,
                1,
                "plan",
                "x@1",
                content,
                sha256_hex(content),
                "mcp",
                "",
                NOW + timedelta(minutes=number),
            )

    assert [(hit.kind.value, hit.run_id) for hit in found(store, "needle")] == [
        ("run", "R-0"),
        ("artifact", "R-2"),
        ("artifact", "R-1"),
    ]


@pytest.mark.parametrize("limit", [1, 7, 50, 1_000])
def test_paging_finds_everything_once_while_more_is_written(store: Store, limit: int) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
        for number in range(430):
            add_plan(tx, RunId("R-1"), f"page {number}" if number % 3 else "plan page", PLAN)
    seen: list[int | None] = []
    cursor = None
    while True:
        with store.read() as tx:
            page = tx.find(parse_query("page"), limit=limit, cursor=cursor)
        seen += [hit.revision for hit in page.hits]
        submit(store, "R-1", "another page")
        cursor = page.cursor_after(len(page.hits))
        if not cursor:
            break

    assert sorted(filter(None, seen)) == list(range(1, 431))


def test_a_cursor_of_somebody_else_is_refused(store: Store) -> None:
    with store.read() as tx, pytest.raises(Refused, match="no cursor"):
        tx.find(parse_query("x"), cursor="R-1")


def test_an_archived_run_is_found_and_marked(store: Store) -> None:
    everything(store)
    with store.tx() as tx:
        tx.archive_run(RunId("R-1"), NOW)

    assert {hit.is_archived for hit in found(store, "zephyr")} == {True}


def test_what_was_refused_is_not_found(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
        tx.add_refused(RunId("R-1"), PLAN, 1, '{"secret": "zephyr"}', [], NOW)

    assert found(store, "zephyr") == []


# -- the index and the tables ----------------------------------------------------------------------------------------


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


def empty_the_index(url: str, *more: str) -> None:
    """As a database from before there was one."""
    statements = (
        "INSERT INTO find_text (find_text) VALUES ('delete-all')",
        "DELETE FROM find_entry",
        "DELETE FROM find_run",
    )
    tamper(url, *statements, *more)


def index_all(store: Store, most: int = 400) -> int:
    steps, after = 0, None
    while True:
        steps += 1
        with store.tx() as tx:
            after = tx.index_missing(after, most)
        if after is None:
            return steps


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
        assert tx.index_is_behind()
        assert tx.find_health().waiting == 6
    assert found(upgraded, "zephyr") == []
    submit(upgraded, "R-2", "said since")
    assert index_all(upgraded, most=3) > 1
    with upgraded.read() as tx:
        assert not tx.index_is_behind()
        assert (tx.find_health().waiting, tx.find_health().has_fts5) == (0, True)

    assert sorted(kinds(upgraded, "zephyr")) == sorted([*before, "finding", "finding"])
    assert kinds(upgraded, "since") == ["artifact"]
    upgraded.close()


def test_an_index_without_titles_is_built_anew(url: str, store: Store, clock: Clock) -> None:
    everything(store)
    index_all(store)
    before = sorted(kinds(store, "zephyr"))
    store.close()
    tamper(url, *AS_OF_0005, "UPDATE find_run SET version = 1")

    upgraded = Store.open(url, clock=clock)
    with upgraded.read() as tx:
        assert tx.index_is_behind()
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
        assert tx.index_is_behind()

    index_all(store)

    with store.read() as tx:
        assert not tx.index_is_behind()
    assert sorted(kinds(store, "zephyr")) == before


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
        assert tx.index_is_behind()

    index_all(store)

    assert "R-9" in {hit.run_id for hit in found(store, "größer")}


def test_a_title_without_end_still_comes_first_by_its_beginning(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-0", template="needle " + "x" * 5_000 + " thread")
        add_plan(tx, RunId("R-0"), "needle thread")

    assert kinds(store, "needle") == ["run", "artifact"]
    assert kinds(store, "needle thread") == ["artifact", "run"]


def test_indexing_anew_changes_nothing_and_dropping_takes_every_word(url: str, store: Store) -> None:
    everything(store)
    before = found(store, "zephyr")
    with store.tx() as tx:
        assert tx.index_run(RunId("R-1")) == tx.index_run(RunId("R-1")) == 8
        assert tx.index_run(RunId("nowhere")) == 0
    assert sorted(found(store, "zephyr"), key=str) == sorted(before, key=str)

    with store.tx() as tx:
        assert tx.drop_found(RunId("R-1")) == 8
    connection = raw(url)
    assert connection.execute("SELECT count(*) FROM find_text WHERE find_text MATCH 'zephyr'").fetchone() == (0,)
    connection.close()


def test_a_rebuilt_index_says_what_the_tables_say(url: str, store: Store) -> None:
    everything(store)
    with store.tx() as tx:
        opinion(tx, None, "o-2")
    index_all(store)
    before = sorted(map(str, found(store, "zephyr")))
    tamper(url, "DELETE FROM find_entry WHERE kind = 'finding'")

    with store.tx() as tx:
        tx.rebuild_index()
    index_all(store)

    assert sorted(map(str, found(store, "zephyr"))) == before


def test_a_run_that_an_older_process_wrote_to_is_indexed_anew(url: str, store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, "R-1")
    index_all(store)
    tamper(url, "UPDATE find_run SET last_seq = last_seq - 1 WHERE run_id = 'R-1'")  # an event came that is not indexed
    with store.read() as tx:
        assert (tx.index_is_behind(), tx.find_health().waiting) == (False, 1)

    step(store, loaded, e.AttemptFailed(phase=PLAN, attempt=1, kind=FailKind.GATE, reason="zephyr"))
    with store.read() as tx:
        assert tx.index_is_behind()
    index_all(store)

    assert kinds(store, "zephyr") == ["event"]


def test_an_index_by_older_rules_is_built_anew_and_one_by_newer_rules_left_alone(url: str, store: Store) -> None:
    everything(store)
    index_all(store)
    tamper(url, "UPDATE find_run SET version = 0", "DELETE FROM find_entry WHERE kind = 'artifact'")
    index_all(store)
    assert kinds(store, "zephyr", kind=Kind.ARTIFACT) == ["artifact"]

    tamper(url, "UPDATE find_run SET version = 99")
    with store.read() as tx:
        assert tx.find_health().waiting == 0


def test_opinions_outside_runs_are_found_in_their_project(store: Store) -> None:
    with store.tx() as tx:
        opinion(tx, None)
        ours = tx.project_id("/p/.git", "/p")
    with store.read() as tx:
        assert tx.index_is_behind(), "the first one is indexed with the next question"
    index_all(store)
    with store.tx() as tx:
        opinion(tx, None, "o-2")

    hits = found(store, "leaks", project_id=ours)
    assert [(hit.run_id, hit.kind.value) for hit in hits] == [(None, "finding")] * 2
    with store.tx() as tx:
        assert tx.find_health().waiting == 0
        assert tx.drop_found(NO_RUN) == 4


def test_many_things_of_one_second_have_an_order_and_a_place(store: Store, url: str) -> None:
    with store.tx() as tx:
        create(tx, "R-1", at=NOW + timedelta(hours=30))
        for number in range(700):
            add_plan(tx, RunId("R-1"), f"same second {number}")
    with store.tx() as tx:
        create(tx, "R-0", at=NOW - timedelta(days=1))
        tx.index_run(RunId("R-1"))

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
        assert tx.drop_found(RunId("R-1")) == 2


def test_without_fts5_everything_is_written_and_find_says_what_to_install(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library without FTS5 can be had nowhere here: what the store asks it is answered no."""
    url = f"sqlite:///{tmp_path / 'plain.db'}"
    with monkeypatch.context() as without:
        without.setattr("wfe_mcp.store.schema.upgrade.has_fts5", no)
        without.setattr(database.sqlite, "has_fts5", no)
        plain = Store.open(url, clock=clock)
        everything(plain)
        with plain.read() as tx:
            assert not tx.find_health().has_fts5
            with pytest.raises(Refused, match="FTS5") as refused:
                tx.find(parse_query("zephyr"))
        assert refused.value.code == "unavailable"
        with plain.tx() as tx, pytest.raises(Refused, match="FTS5"):
            tx.index_missing()
        with plain.tx() as tx:
            assert tx.drop_found(RunId("R-1")) == 0
        plain.close()

    store = Store.open(url, clock=clock)
    assert found(store, "zephyr") == []
    submit(store, "R-1", "zephyr not yet")
    index_all(store)
    assert len(found(store, "zephyr")) == sum(EVERY_KIND.values()) + 1
    store.close()


def test_an_indexed_file_is_written_by_a_library_without_fts5_and_mended_later(
    store: Store, url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(store)
    index_all(store)
    store.close()
    with monkeypatch.context() as without:
        without.setattr(database.sqlite, "has_fts5", no)
        plain = Store.open(url, clock=clock)
        submit(plain, "R-1", "late words")
        plain.close()

    again = Store.open(url, clock=clock)
    with again.read() as tx:
        assert tx.index_is_behind()
    index_all(again)
    assert kinds(again, "late") == ["artifact"]
    again.close()


def test_the_order_and_the_words_survive_a_json_of_any_shape(store: Store) -> None:
    content = canonical_json({"a/b~c": [1, None, True, {"x": ["", "deep needle"]}], "findings": "none", "n": 1.5})
    odd = canonical_json({"findings": [1, {"no": "title"}, {"title": {"en": "odd needle"}, "severity": ["x"]}]})
    with store.tx() as tx:
        create(tx, "R-1")
        for text in (content, odd):
            tx.add_revision(RunId("R-1"), PLAN, 1, 1, "plan", "inline", text, sha256_hex(text), "mcp", "a note", NOW)

    assert [hit.pointer for hit in found(store, "deep needle")] == ["/a~1b~0c/3/x/1"]
    assert kinds(store, '"odd needle"', kind=Kind.FINDING) == ["finding"]
    assert kinds(store, '"a note"') == ["artifact", "artifact"]
    assert json.loads(content)["findings"] == "none"


def test_two_runs_in_one_transaction_are_both_indexed(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, "R-1")
        create(tx, "R-2")
        failed = e.AttemptFailed(phase=PLAN, attempt=1, kind=FailKind.GATE, reason="zephyr")
        tx.save_run(loaded, fold(loaded.state, failed), [failed], AGENT, NOW)

    assert [hit.run_id for hit in found(store, "zephyr")] == ["R-1"]
    assert len(found(store, "tiny")) == 2


def test_what_is_copied_from_another_run_is_found_in_both(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
        add_plan(tx, RunId("R-1"), "zephyr")
        create(tx, "R-2")
        tx.take_revisions(RunId("R-1"), RunId("R-2"), {PLAN: 1}, 1)
    index_all(store)

    assert sorted(str(hit.run_id) for hit in found(store, "zephyr")) == ["R-1", "R-2"]


def test_a_pruned_run_takes_its_words_along(store: Store, url: str) -> None:
    everything(store)
    index_all(store)
    tamper(url, "UPDATE run SET ended_at = created_at")
    with store.tx() as tx:
        tx.prune_run(tx.find_run(tx.project_id("/p/.git", "/p"), "R-1"), (), ADA, NOW)

    connection = raw(url)
    assert connection.execute("SELECT count(*) FROM find_text WHERE find_text MATCH 'zephyr'").fetchone() == (0,)
    connection.close()
    with store.read() as tx:
        assert not tx.index_is_behind()
