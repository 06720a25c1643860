"""The inbox: a line for each thing that waits, from the record alone; the whole decision only when it is opened."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.dashboard.api.client import Program
from tests.dashboard.browser import PIN
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, phase
from tests.store.scene import tamper
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.history.rollback import rollback
from wfe_mcp.engine.kernel.engine import Engine as OfProject
from wfe_mcp.engine.runs import control
from wfe_mcp.store import Tx
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.values.model import second

MANY = 50
QUERIES_A_LINE = 12


class Spent:
    """What a block cost: the programs that this process started, and its statements to the database."""

    def __init__(self) -> None:
        self.programs: list[object] = []
        self.statements = 0

    def note(self, *_: object) -> None:
        self.statements += 1


@contextmanager
def counted() -> Generator[Spent]:
    spent = Spent()
    begin = subprocess.Popen.__init__

    def note_program(process: Any, args: Any, *more: Any, **options: Any) -> None:
        spent.programs.append(args)
        begin(process, args, *more, **options)

    event.listen(Engine, "before_cursor_execute", spent.note)
    try:
        # no hook of sys.addaudithook: it stays for good, and each ``id()`` of the later tests would call it
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess.Popen, "__init__", note_program)
            yield spent
    finally:
        event.remove(Engine, "before_cursor_execute", spent.note)


def lines(program: Program) -> list[dict[str, Any]]:
    return program.get("/inbox").data["decisions"]


def ask(scene: Scene, run: str, name: str = "plan") -> str:
    """Ask for the approval of a phase; the id of the request."""
    approvals.ask(scene.engine, AGENT, run, PhasePath(name))
    with scene.store.read() as tx:
        return tx.approvals.open_requests(run_id=RunId(run))[-1].id


def waiting(scene: Scene, count: int) -> None:
    """Runs that wait for a decision about changed files."""
    scene.define(phase("plan", approval()))
    for number in range(count):
        run = answers.start_run(scene.engine, AGENT, "drill", {}).run or ""
        scene.begin(run)
        scene.write("app.py", f"VALUE = {number + 2}\n")
        scene.submit(run, "plan")
        ask(scene, run)


def test_fifty_waiting_decisions_start_no_git_process_and_a_line_costs_a_few_queries(
    scene: Scene, program: Program
) -> None:
    waiting(scene, 5)
    lines(program)  # the engine of the page is made at its first use
    with counted() as few:
        assert len(lines(program)) == 5
    waiting(scene, MANY - 5)
    with counted() as many:
        found = lines(program)

    assert len(found) == MANY
    assert many.programs == []
    assert few.programs == []
    assert (many.statements - few.statements) / (MANY - 5) <= QUERIES_A_LINE
    with counted() as opened:
        whole = program.get("/decisions/{request}", {"request": found[-1]["request"]}).data
    assert [each["path"] for each in whole["shown"]["changes"][0]["files"]] == ["app.py"]
    assert opened.programs, "the change is read where the decision is opened"


def test_a_line_says_what_is_asked_for_how_long_and_what_the_record_holds_of_it(scene: Scene, program: Program) -> None:
    scene.check("warns", "pass")
    run = scene.start(phase("plan", command("warns"), approval(expires="2h")), title="Plan it")
    scene.begin(run)
    scene.write("tests/test_app.py", "def test_nothing(): pass\n")
    scene.submit(run, "plan")
    request = ask(scene, run)

    (line,) = lines(program)

    assert line == {
        "request": request,
        "run": run,
        "phase": "plan",
        "attempt": 1,
        "stage": "after",
        "title": "Plan it",
        "project": str(scene.root),
        "template": "drill 1.0.0",
        "asked_at": scene.clock().isoformat(),
        "expires_at": "2026-03-01T14:00:00+00:00",
        "question": 'Approve plan of "Plan it"?',
        "command": f"wfe-mcp approve {run} plan",
        "evidence": [
            {"gate": "warns", "state": "pass", "text": line["evidence"][0]["text"]},
            {"gate": "approval", "state": "awaiting"},
        ],
    }
    shown = program.get("/decisions/{request}", {"request": request}).data["shown"]
    assert [each["text"] for each in shown["unusual"]] == ["tests/test_app.py changed since the run began."]


def test_everything_unusual_that_the_record_holds_is_in_the_line_as_in_the_decision(
    scene: Scene, program: Program
) -> None:
    scene.check("red", "raise SystemExit(1)")
    cancelled = scene.start(phase("plan", approval()))
    control.control(scene.engine, AGENT, cancelled, "cancel")
    scene.clock.advance(minutes=1)
    run = scene.start(
        phase("try", command("red"), on_fail=[{"do": "wait_human"}]),
        phase("plan", approval(), needs=["try"]),
        name="forced",
    )
    scene.do(run, "try")
    control.force_accept(scene.engine, scene.human, run, "try", "the check is broken")
    scene.do(run, "plan")
    request = ask(scene, run)

    (line,) = lines(program)

    shown = program.get("/decisions/{request}", {"request": request}).data["shown"]
    assert line["tainted"] is True
    assert line["unusual"] == shown["unusual"]
    assert [each["text"] for each in line["unusual"]] == [
        "A gate of this run was overruled by force: try (attempt 1).",
        f"Cancelled before this run: {cancelled} (A drill)",
    ]


def test_lines_of_the_same_second_are_oldest_first(scene: Scene, program: Program) -> None:
    scene.define(phase("plan", approval()))
    runs = [str(answers.start_run(scene.engine, AGENT, "drill", {}).run) for _ in range(4)]
    for each in runs:
        scene.do(each, "plan")
        ask(scene, each)
        scene.clock.advance(milliseconds=10)
    assert [each["run"] for each in lines(program)] == runs


def test_a_line_goes_when_its_request_takes_no_answer(scene: Scene, program: Program, person: Program) -> None:
    run = scene.start(phase("plan", approval(expires="1h")))
    other = answers.start_run(scene.engine, AGENT, "drill", {}).run or ""
    for each in (run, other):
        scene.do(each, "plan")
    ask(scene, other)
    scene.clock.advance(minutes=30)
    request = ask(scene, run)
    assert [each["run"] for each in lines(program)] == [other, run], "oldest first"

    scene.clock.advance(minutes=40)
    assert [each["run"] for each in lines(program)] == [run], "the older one has expired"
    shown = person.get("/decisions/{request}", {"request": request}).data
    answer = {"sha256": shown["request"]["sha256"], "shown": shown["shown_sha256"], "pin": PIN}
    assert person.post("/decisions/{request}/approve", {"request": request}, **answer).data["state"] == "answered"
    assert lines(program) == []


def test_a_run_that_is_removed_while_the_inbox_is_read_has_no_line(
    scene: Scene, program: Program, monkeypatch: Any
) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    ask(scene, run)
    load = OfProject.load

    def removed(engine: OfProject, tx: Tx, wanted: Any) -> Any:
        return load(engine, tx, "gone" if wanted == run else wanted)

    assert len(lines(program)) == 1
    monkeypatch.setattr(OfProject, "load", removed)
    assert lines(program) == []


def test_the_tools_and_the_terminal_show_the_same_lines(scene: Scene, program: Program) -> None:
    waiting(scene, 7)

    found = answers.status(scene.engine, HUMAN).data

    assert found["decisions"] == lines(program)[:5]
    assert found["more_decisions"] == 2
    assert GOOD["title"] not in str(found), "no artifact is in a line"


def test_a_paused_run_says_why_where_a_reason_was_given(scene: Scene, program: Program) -> None:
    for title, reason, why in (("One", "", ""), ("Two", "the tests are slow", ": the tests are slow")):
        run = scene.start(phase("plan"), title=title, name=title.lower(), inputs={"goal": f"Write {title}"})
        control.control(scene.engine, scene.human, run, "pause", reason=reason)
        (line,) = program.get("/inbox").data["stopped"]
        assert line["question"] == f'Resume "Write {title}"? It is paused{why}'
        control.control(scene.engine, scene.human, run, "cancel")


def test_a_page_that_a_newer_version_has_overtaken_says_to_restart_it_and_calls_no_run_damaged(
    scene: Scene, program: Program
) -> None:
    run = scene.start(phase("plan"))
    newer = """UPDATE attempt SET state = replace(state, '"ready"', '"of a newer version"')"""
    tamper(scene.url, newer, "UPDATE run SET last_hash = 'another'")
    assert [row["kind"] for row in program.get("/inbox").data["stopped"]] == ["damaged"]
    tamper(scene.url, "UPDATE alembic_version SET version_num = '9999'")

    for path in ("/inbox", "/runs", f"/runs/{run}"):
        error = program.get(path.replace(run, "{run}"), {"run": run}).body["error"]
        assert "upgraded by a newer wfe-mcp" in error["message"]
        assert "restore" not in error["hint"]


def test_a_task_waits_since_its_phase_is_ready_whatever_the_run_does_meanwhile(scene: Scene, program: Program) -> None:
    """After a rollback to it, since then."""
    run = scene.start(phase("plan"), phase("choose", kind="human", needs=["plan"]), phase("build", needs=["plan"]))
    scene.do(run, "plan")
    ready = scene.clock()

    def since() -> str:
        return program.get("/inbox").data["tasks"][0]["since"]

    scene.clock.advance(minutes=7)
    scene.do(run, "build")
    assert since() == second(ready)
    answers.submit_artifact(scene.engine, scene.human, run, "choose", artifact=GOOD)
    scene.work()
    scene.clock.advance(minutes=7)
    back = scene.clock()
    rollback(scene.engine, HUMAN, run, "choose")
    scene.clock.advance(minutes=7)
    assert since() == second(back)
