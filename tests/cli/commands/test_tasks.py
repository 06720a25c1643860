"""A phase of a person, begun in one of their interfaces and finished in another; and the list of what waits for them."""

import json
from collections.abc import Iterator

import pytest

from tests.cli.scene import HUMAN, PIN, Terminal, phase, template
from tests.dashboard.api.client import Program, Reply
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.integrity.anchoring import stop_anchoring
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import project_at


@pytest.fixture
def engine(cli: Terminal) -> Iterator[Engine]:
    made = create_engine(project_at(cli.root), clock=cli.clock)
    try:
        yield made
    finally:
        stop_anchoring(made)
        made.store.close()


@pytest.fixture
def person(engine: Engine) -> Iterator[Program]:
    """A tab of the user's browser."""
    with serve_page(engine, 0) as page:
        assert isinstance(page, Page)
        code = link(engine, page.port).partition("#code=")[2]
        yield Program(page.port, Program(page.port).post("/session", code=code).data["token"])


@pytest.fixture
def task(cli: Terminal) -> str:
    """A run whose first phase is the user's."""
    cli.save(template("choose", phase("pick", kind="human", title="Pick one"), phase("build")))
    return cli.start("choose")


def at_page(person: Program, run: str, artifact: dict[str, object]) -> Reply:
    answer = {"phase": "pick", "artifact": artifact, "pin": PIN}
    return person.post("/runs/{run}/submit_artifact", {"run": run}, **answer)


def at_terminal(cli: Terminal, run: str, artifact: dict[str, object]) -> str:
    """Submit at the terminal; the code of the refusal, or the state of the phase."""
    (cli.root / "pick.json").write_text(json.dumps(artifact), encoding="utf-8")
    document = cli.json("submit", run, "pick", "--path", "pick.json", pin=PIN).document
    return document["error"]["code"] if not document["ok"] else document["state"]


def test_what_the_page_began_is_finished_at_the_terminal(cli: Terminal, person: Program, task: str) -> None:
    assert at_page(person, task, {"text": 3}).code == "invalid_artifact"
    assert at_terminal(cli, task, {"text": 4}) == "invalid_artifact"
    assert at_terminal(cli, task, {"text": "left"}) == "completed"


def test_what_the_terminal_began_is_finished_at_the_page(cli: Terminal, person: Program, task: str) -> None:
    assert at_terminal(cli, task, {"text": 3}) == "invalid_artifact"
    form = person.get("/runs/{run}/form", {"run": task}, phase="pick").data
    assert (form["how"], form["of"], form["value"]) == ("submit", "draft 1", {"text": 3})
    assert at_page(person, task, {"text": "right"}).body["state"] == "completed"


def test_a_task_that_is_begun_still_waits_for_the_person_everywhere(cli: Terminal, person: Program, task: str) -> None:
    at_page(person, task, {"text": 3})

    (waits,) = person.get("/inbox").data["tasks"]
    assert (waits["run"], waits["phase"], waits["title"]) == (task, "pick", "Pick one")
    found = cli.json("status", task)
    assert found.document["waiting_on"] == "human"
    assert found.data["blockers"] == [f"pick is the user's task: wfe-mcp submit {task} pick --path FILE"]


@pytest.mark.attack("a program uses up the tries of a phase that a person began", "held")
def test_an_agent_uses_up_no_try_of_a_task_that_the_person_began(engine: Engine, person: Program, task: str) -> None:
    at_page(person, task, {"text": 3})

    for wrong_or_right in ({"text": 3}, {"text": "mine"}):
        with pytest.raises(Refused) as refused:
            answers.submit_artifact(engine, By(), task, "pick", artifact=wrong_or_right)
        assert refused.value.code == "needs_human"
    with engine.store.read() as tx:
        assert engine.load(tx, task).state.open_attempts[0].invalid == 1


def test_what_waits_for_a_decision_is_listed_below_the_open_runs(cli: Terminal) -> None:
    cli.save(template("sign", phase("draft", HUMAN)))
    asked = [cli.start("sign", "--title", f"Letter {number}") for number in range(6)]
    for run in asked:
        cli.clock.forward(minutes=1)
        cli.submit_work(run, "draft")
        cli.json("approve", run, "draft")  # without a PIN it only asks

    answer = cli("status")

    shown = answer.out.partition("ASKED OF YOU")[2].splitlines()[1:]
    assert [each.partition("?")[0].strip() for each in shown[:5]] == [
        f'Approve draft of "Letter {number}"' for number in range(5)
    ]
    assert shown[5] == "1 more decision in wfe-mcp inbox"
    assert f"Next: wfe-mcp approve {asked[0]} draft" in answer.err


def test_open_runs_that_are_too_many_for_a_list_are_not_left_out_in_silence(cli: Terminal) -> None:
    cli.save(template("sign", phase("draft", HUMAN)))
    for number in range(21):
        cli.start("sign", "--title", f"Letter {number}")

    out = cli("status").out

    assert out.count("Letter ") == 20
    assert f"The 20 newest open runs of {cli.root.name}; wfe-mcp list shows the others" in out
