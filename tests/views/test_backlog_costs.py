"""The list and the board of work items cost the same with a hundred items and with ten thousand."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from tests.engine.scene import AGENT, Scene
from wfe_mcp.core.items import Item, ItemKind, ItemStatus
from wfe_mcp.engine.work.items import OPEN
from wfe_mcp.views.work.answers import items_answer
from wfe_mcp.views.work.pages import backlog
from wfe_mcp.views.work.reports import MOST_LINES, report

LIMIT = 20


@contextmanager
def rows_read() -> Generator[list[int]]:
    """How many rows each statement finds that is executed meanwhile."""
    found: list[int] = []

    def note(_c: object, cursor: Any, sql: str, values: Any, _context: object, _many: bool) -> None:
        if sql.lstrip().startswith("SELECT"):
            found.append(len(cursor.connection.execute(sql, values).fetchall()))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def fill(scene: Scene, first: int, last: int) -> None:
    with scene.store.tx() as tx:
        for number in range(first, last + 1):
            needs = ("W-1",) if number > 1 else ()
            item = Item(
                f"W-{number}", ItemKind.TASK, "Tides of a harbour", ItemStatus.PLANNED, "", 1 + number % 10, "", needs
            )
            tx.items.add(scene.engine.project_id, item, AGENT, scene.clock())


def costs(ask: Callable[[], object]) -> tuple[int, int]:
    """The statements of a question, and the rows that they find."""
    ask()  # what is read once per process is read
    with rows_read() as found:
        ask()
    return len(found), sum(found)


def test_a_page_of_items_reads_as_many_rows_of_ten_thousand_as_of_a_hundred(scene: Scene) -> None:
    project = scene.engine.project_id
    asked: dict[str, Callable[[], object]] = {
        "list": lambda: backlog(scene.engine, project, (), OPEN, limit=LIMIT),
        "newest": lambda: backlog(scene.engine, "", (), OPEN, newest=True, limit=LIMIT),
        "words": lambda: backlog(scene.engine, project, (), OPEN, "harb tid", limit=LIMIT),
        "tool": lambda: items_answer(scene.engine, limit=LIMIT),
    }
    fill(scene, 1, 100)
    few = {name: costs(ask) for name, ask in asked.items()}
    fill(scene, 101, 10_000)
    many = {name: costs(ask) for name, ask in asked.items()}

    assert many == few
    assert max(rows for _, rows in few.values()) <= 2 * LIMIT + 10
    found = backlog(scene.engine, project, (), OPEN, "harb tid", limit=LIMIT)
    assert (found.count, len(found.items), found.counts) == (10_000, LIMIT, {"planned": 10_000})
    assert [each.line.id for each in backlog(scene.engine, project, (), OPEN, "w-9999", limit=LIMIT).items] == [
        "W-9999"
    ]


def test_a_report_looks_at_no_more_runs_than_it_has_lines(scene: Scene) -> None:
    def finish(first: int, last: int) -> None:
        with scene.store.tx() as tx:
            for number in range(first, last + 1):
                item = Item(f"W-{number}", ItemKind.TASK, "Tides", ItemStatus.DONE, runs=("r1",))
                tx.items.add(scene.engine.project_id, item, AGENT, scene.clock())

    finish(1, MOST_LINES)
    few = costs(lambda: report(scene.engine, "tasks"))[0]
    finish(MOST_LINES + 1, 2 * MOST_LINES)
    assert costs(lambda: report(scene.engine, "tasks"))[0] == few
