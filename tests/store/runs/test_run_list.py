"""Lists are ordered, then paged, then limited; a run is found by the beginning of its id."""

from datetime import timedelta

import pytest

from tests.store.scene import NOW, create, step, tamper
from wfe_mcp.core import events as e
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId, RunStatus
from wfe_mcp.store import Store


def seven_runs(store: Store) -> str:
    """R-0 is the oldest; R-5 and R-6 have one time; odd ones are of another template."""
    with store.tx() as tx:
        for number in (3, 0, 6, 2, 5, 1, 4):
            template = "other" if number % 2 else "tiny"
            create(tx, f"R-{number}", at=NOW + timedelta(minutes=min(number, 5)), template=template)
        return tx.projects.id_of("/p/.git", "/p")


@pytest.mark.requirement("B-11")
def test_pages_are_newest_first_and_leave_nothing_out(store: Store) -> None:
    project = seven_runs(store)
    pages: list[list[str]] = []
    cursor: str | None = None
    with store.read() as tx:
        while True:
            page = tx.runs.page(project, limit=3, cursor=cursor)
            pages.append([run.id for run in page.runs])
            if (cursor := page.cursor) is None:
                break

    assert pages == [["R-6", "R-5", "R-4"], ["R-3", "R-2", "R-1"], ["R-0"]]


@pytest.mark.requirement("B-11")
def test_a_run_created_between_two_pages_shifts_nothing(store: Store) -> None:
    project = seven_runs(store)
    with store.tx() as tx:
        first = tx.runs.page(project, limit=2)
        create(tx, "R-9", at=NOW + timedelta(hours=1))
        second = tx.runs.page(project, limit=2, cursor=first.cursor)

    assert [run.id for run in second.runs] == ["R-4", "R-3"]


def test_filters_narrow_the_list_before_it_is_limited(store: Store) -> None:
    project = seven_runs(store)
    with store.tx() as tx:
        loaded = tx.runs.load(RunId("R-1"))
    assert loaded is not None
    step(store, loaded, e.RunCancelled())

    with store.read() as tx:
        assert [run.id for run in tx.runs.page(project, template="other", limit=2).runs] == ["R-5", "R-3"]
        assert [run.id for run in tx.runs.page(project, status=[RunStatus.CANCELLED]).runs] == ["R-1"]
        assert [run.id for run in tx.runs.page(since=NOW + timedelta(minutes=5)).runs] == ["R-6", "R-5"]
        assert tx.runs.page("p-other").runs == ()


def test_a_cursor_that_names_no_run_is_refused(store: Store) -> None:
    with store.read() as tx, pytest.raises(Refused, match="bad_argument"):
        tx.runs.page(cursor="R-77")


def test_open_runs_are_neither_over_nor_archived(store: Store) -> None:
    project = seven_runs(store)
    with store.tx() as tx:
        over = tx.runs.load(RunId("R-1"))
        tx.runs.archive(RunId("R-2"), NOW)
    assert over is not None
    step(store, over, e.RunBlocked(reason="limit"))

    with store.read() as tx:
        assert tx.runs.open_ids(project) == ["R-6", "R-5", "R-4", "R-3", "R-0"]
        assert tx.runs.open_ids(project, [RunStatus.BLOCKED]) == ["R-1"]


def test_a_run_is_found_by_its_id_or_by_the_only_prefix(store: Store) -> None:
    with store.tx() as tx:
        project = create(tx, "ab1").record.project_id
        create(tx, "ab12")
        create(tx, "c3")

    with store.read() as tx:
        assert tx.runs.find(project, "ab1").id == "ab1"
        assert tx.runs.find(project, "c").id == "c3"
        with pytest.raises(Refused, match=r"Several runs begin with 'ab': ab1, ab12"):
            tx.runs.find(project, "ab")
        with pytest.raises(Refused, match=r"no run 'ab13'.*ab12") as refused:
            tx.runs.find(project, "ab13")
        assert refused.value.code == "unknown_run"
        with pytest.raises(Refused, match=r"no run ''.*c3"):
            tx.runs.find(project, "")
        with pytest.raises(Refused, match="start_run"):
            tx.runs.find("p-other", "c3")


def test_a_record_that_cannot_be_read_keeps_no_reader_at_that_moment(url: str, store: Store) -> None:
    project = seven_runs(store)
    tamper(
        url, "UPDATE attempt SET state = '[]' WHERE run_id = 'R-1'", "UPDATE run SET last_hash = '-' WHERE id = 'R-1'"
    )
    refusals: list[Refused] = []
    for title in ("one", "two"):
        with store.read() as tx, pytest.raises(Refused, match="cannot be read") as refused:
            tx.runs.load(RunId("R-1"))
        refusals.append(refused.value)
        tamper(url, f"UPDATE run SET title = '{title}' WHERE id = 'R-2'")
        with store.read() as tx:
            assert tx.runs.find(project, "R-2").title == title


def test_a_run_of_a_newer_version_is_not_called_damaged(url: str, store: Store) -> None:
    project = seven_runs(store)
    tamper(url, "UPDATE run SET status = 'odd' WHERE id = 'R-3'")
    with store.read() as tx:
        assert (
            [*tx.runs.page(project).damaged] == [*tx.runs.page(project, status=[RunStatus.FAILED]).damaged] == ["R-3"]
        )
        first = tx.runs.page(project, limit=3)
        assert ([*first.damaged], [*tx.runs.page(project, limit=3, cursor=first.cursor).damaged]) == ([], ["R-3"])
    assert store.newer_version() is None
    tamper(url, "UPDATE alembic_version SET version_num = '9999'")
    with store.read() as tx:
        for read in (
            lambda: tx.runs.page(project),
            lambda: tx.runs.load(RunId("R-3")),
            lambda: tx.runs.find(project, "R-3"),
        ):
            with pytest.raises(Refused, match="upgraded by a newer wfe-mcp"):
                read()
