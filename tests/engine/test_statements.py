"""How many statements a call takes: what it asks the database again grows unnoticed."""

from collections.abc import Callable

from sqlalchemy import Engine, event

from tests.engine.scene import AGENT, Scene, expr, phase
from wfe_mcp.views.answers import tool_answers as answers


def statements(call: Callable[[], object]) -> list[str]:
    """What the call sent to the database."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "pg_advisory" not in statement and "NO KEY UPDATE" not in statement:  # there a lock is a statement
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return seen


def test_a_run_starts_and_ends_with_few_statements(scene: Scene) -> None:
    scene.git("init", "-q")
    scene.define(phase("work", expr("${true}")))
    for _ in range(2):  # loads what later calls find loaded; the second finds the server's key noted by the first
        scene.do(str(answers.start_run(scene.engine, AGENT, "drill").run), "work")
    run: list[str] = []

    started = statements(lambda: run.append(str(answers.start_run(scene.engine, AGENT, "drill").run)))
    begun = statements(lambda: answers.start_phase(scene.engine, AGENT, run[0]))
    submitted = statements(lambda: scene.submit(run[0], "work"))

    assert len(started) <= 30
    assert len(begun) <= 9
    assert len(submitted) <= 32
    assert sum("FROM secret" in each for each in started) <= 4
