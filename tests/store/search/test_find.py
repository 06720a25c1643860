"""Search finds every indexed text by its words, in every kind and order of events, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from tests.store.scene import (
    ADA,
    NOW,
    PLAN,
    add_plan,
    create,
    new_run,
    step,
)
from wfe_mcp.core import events as e
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, Feedback, RunId, Stage
from wfe_mcp.store.records.calls import OpinionRecord
from wfe_mcp.store.records.runs import DecisionRecord, EvidenceRecord, NewRequest
from wfe_mcp.store.records.search import Kind
from wfe_mcp.store.words.fts5 import Fts5
from wfe_mcp.store.words.query import MAX_TERMS, SNIPPET_CHARS, fold_text, parse_query, snippet, words

if TYPE_CHECKING:
    from wfe_mcp.store import Store, Tx
    from wfe_mcp.store.records.search import Hit


def found(store: Store, query: str, **keys: Any) -> list[Hit]:
    """Every hit, page by page."""
    hits: list[Hit] = []
    cursor = None
    with store.read() as tx:
        while True:
            page = tx.search.find(parse_query(query), cursor=cursor, **keys)
            hits += page.hits
            cursor = page.cursor_after(len(page.hits))
            if not cursor:
                return hits


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
    tx.opinions.add(
        OpinionRecord(
            id_,
            tx.projects.id_of(project, "/p"),
            RunId(run) if run else None,
            PLAN if run else None,
            1 if run else None,
            "call",
            "second",
            "openai",
            "m",
            "q",
            "",
            "fail",
            NOW,
            value,
        )
    )


def everything(store: Store) -> None:
    """One run that says ``zephyr`` in every kind of row."""
    with store.tx() as tx:
        loaded = create(tx, "R-1")
        content = canonical_json(
            {"findings": [{"severity": "low", "title": "zephyr in a review", "file": "src/app.py"}]}
        )
        tx.artifacts.add_revision(
            RunId("R-1"), PLAN, 1, 1, "review", "review@1", content, sha256_hex(content), "mcp", "", NOW
        )
        report = {"scanner": "bandit", "findings": [{"severity": "high", "title": "zephyr scanned"}]}
        tx.evidence.add(
            EvidenceRecord(
                "ev-1",
                RunId("R-1"),
                PLAN,
                1,
                1,
                Stage.AFTER,
                0,
                "command",
                None,
                None,
                None,
                None,
                NOW,
                {"security": report},
            )
        )
        asked = tx.approvals.request(NewRequest(RunId("R-1"), PLAN, 1, Stage.AFTER, 1, "ab", Assurance.HUMAN), NOW)
        tx.approvals.decide(
            asked.id, DecisionRecord(False, "ada", ADA.channel, ADA.assurance, NOW, "zephyr is not what I meant")
        )
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
    [
        '"',
        '""',
        "*",
        "***",
        "a*",
        "NEAR(a b)",
        "^a",
        "title:x",
        "{title text}:x",
        "a AND",
        "OR",
        "NOT",
        "NOT a",
        "a NOT NOT b",
        "(((",
        "a)",
        "a OR OR b",
        "--",
        "'; DROP TABLE run",
        "a -b +c",
        "\U0001f600",
        "a\x00b",
        "x " * 40,
        "y" * 9_000,
        '"a" "b',
        "\\",
        "AND OR NOT",
        "- + ~ ! @ # $ %",
        "rowid:1",
        "a*b*c*",
        "ä*",
        "速*",
    ],
)
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
        expression = Fts5.expression(parse_query(text))
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
    assert words(fold_text(text)) == words(text)


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


def test_a_hit_names_its_place(store: Store) -> None:
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
    assert (event.title, event.seq, event.text) == ("attempt failed, event 3", 3, "the zephyr gate said no")
    assert (finding.title, finding.pointer) == ("finding of review (low)", "/findings/0")


def test_feedback_and_verdicts_are_what_an_event_says(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, "R-1")
    note = Feedback(PLAN, 1, "mind the gaps")
    step(
        store,
        loaded,
        e.AttemptFailed(phase=PLAN, attempt=1, kind=FailKind.GATE, reason="x"),
        e.AttemptOpened(phase=PLAN, attempt=2, status=loaded.state.attempts[PLAN][0].status, feedback=(note,)),
    )

    assert [hit.title for hit in found(store, "gaps")] == ["attempt opened, event 4"]


def test_a_run_and_a_project_bring_only_their_own(store: Store) -> None:
    with store.tx() as tx:
        for run in ("R-1", "R-2"):
            create(tx, run)
            add_plan(tx, RunId(run), "shared words")
        ours, theirs = tx.projects.id_of("/p/.git", "/p"), tx.projects.id_of("/other/.git", "/other")

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
            tx.artifacts.add_revision(
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
            page = tx.search.find(parse_query("page"), limit=limit, cursor=cursor)
        seen += [hit.revision for hit in page.hits]
        submit(store, "R-1", "another page")
        cursor = page.cursor_after(len(page.hits))
        if not cursor:
            break

    assert sorted(filter(None, seen)) == list(range(1, 431))


def test_a_cursor_of_someone_else_is_refused(store: Store) -> None:
    with store.read() as tx, pytest.raises(Refused, match="no cursor"):
        tx.search.find(parse_query("x"), cursor="R-1")


def test_an_archived_run_is_found_and_marked(store: Store) -> None:
    everything(store)
    with store.tx() as tx:
        tx.runs.archive(RunId("R-1"), NOW)

    assert {hit.is_archived for hit in found(store, "zephyr")} == {True}


def test_what_was_refused_is_not_found(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
        tx.artifacts.add_refused(RunId("R-1"), PLAN, 1, '{"secret": "zephyr"}', [], NOW)

    assert found(store, "zephyr") == []
