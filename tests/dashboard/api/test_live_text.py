"""The text of a model at work on the stream of events: as it grows, from any process, without secrets, and kept nowhere."""

import itertools
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.dashboard.api.client import Program, first
from tests.dashboard.api.conftest import Connect
from tests.dashboard.api.test_stream import Listen, Message, Stream, listen
from tests.engine.conftest import home
from tests.engine.model_scene import KEY, ROLES, configure, server
from tests.engine.scene import AGENT, GOOD, Scene, phase
from tests.fake_models.script import Call, Turn
from wfe_mcp.core.items import ItemKind, new_item

__all__ = ["home", "listen"]

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.requirement("S1-33")]

LOOKS = Turn(text="I look at the file. ", calls=(Call("read", {"path": "app.py"}),))
PLAN = phase("plan", kind="llm", role="one", tools_allowed=["read"])


@contextmanager
def other_worker(scene: Scene) -> Generator[None]:
    """A process that works the jobs; the page is in another one."""
    argv = [sys.executable, "-m", "wfe_mcp", "worker", "--project", str(scene.root)]
    env = {**os.environ, **scene.engine.environment, "WFE_DATABASE_URL": f"sqlite:///{scene.store.path}"}
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        try:
            yield
        finally:
            worker.kill()


def until(stream: Stream, type_: str) -> list[Message]:
    """The messages up to an event of the log."""
    found: list[Message] = []
    while not found or found[-1].data.get("type") != type_:
        found.append(stream.next())
    return found


def grown(messages: list[Message]) -> list[str]:
    """The text as a page shows it after each message."""
    shown = [""]
    for each in (each.data for each in messages if each.event == "text"):
        shown.append(shown[-1] * each["adds"] + each["text"])
    return shown[1:]


def test_what_a_model_writes_and_calls_is_streamed_as_it_grows_and_then_gone(
    scene: Scene, program: Program, listen: Listen
) -> None:
    words = "".join(f"Step {number} of the plan. " for number in range(8))
    with server([LOOKS, Turn(text=words, value=GOOD, drip_s=0.12)]) as models:
        configure(scene, models)
        stream = listen(program)
        run = scene.start(PLAN, roles=ROLES)
        with other_worker(scene):
            messages = until(stream, "RunCompleted")
    texts = grown(messages)
    assert len(texts) > 1
    assert texts[-1].startswith("I look at the file. \n\nStep 0 of the plan.")
    assert all(after.startswith(before) for before, after in itertools.pairwise(texts))
    tools = [each.data for each in messages if each.event == "tool"]
    assert {(each["tool"], each["phase"], each["id"]) for each in tools} == {("read", "plan", tools[0]["id"])}
    assert tools[-1]["ok"] is True  # its start comes too, where it is seen before its end
    (job,) = (each for each in program.get("/queue", run=run).data["jobs"] if each["kind"] == "work")
    assert program.get("/queue/{job}", {"job": job["job"]}).data["result"] == {"ending": "done"}
    assert "Step 1 of the plan" not in str(program.get("/runs/{run}/events", {"run": run}).data)


def test_a_connection_that_comes_later_begins_with_the_text_so_far(
    scene: Scene, program: Program, listen: Listen
) -> None:
    text = "The plan has two steps, and this is the second"
    with server([Turn(text=text, stall=True)]) as models:
        configure(scene, models)
        stream = listen(program)
        run = scene.start(PLAN, roles=ROLES)
        with other_worker(scene):
            first = next_text(stream)
            again = next_text(listen(program))
    assert (first.data["run"], first.data["phase"], first.data["attempt"]) == (run, "plan", 1)
    # How much of it has come by then depends on the machine.
    assert text.startswith(again.data["text"])
    assert again.data["text"].startswith(first.data["text"] or "nothing came")
    assert not again.data["adds"]


def test_a_stream_of_one_project_has_no_text_of_another(scene: Scene, connect: Connect, listen: Listen) -> None:
    with scene.store.tx() as tx:
        other = tx.projects.id_of(str(scene.root.parent), str(scene.root.parent))
    foreign = listen(connect(project=other))
    with server([LOOKS, Turn(text="The plan. ", value=GOOD)]) as models:
        configure(scene, models)
        run = scene.start(PLAN, roles=ROLES)
        with other_worker(scene):
            assert first(lambda: scene.state(run).status == "completed")
    with scene.store.tx() as tx:
        tx.items.add(
            other, new_item(tx.items.new_id(other), ItemKind.TASK, {"title": "Elsewhere"}), AGENT, scene.clock()
        )
    assert foreign.next().event == "item"


def test_a_secret_is_hidden_in_the_stream_also_where_a_piece_ends_within_it(
    scene: Scene, program: Program, listen: Listen
) -> None:
    words = "".join(f"Key {number} is {KEY}, so use it. " for number in range(6))
    with server([Turn(text=words, value=GOOD, drip_s=0.1)]) as models:
        configure(scene, models)
        stream = listen(program)
        scene.start(PLAN, roles=ROLES)
        with other_worker(scene):
            messages = until(stream, "RunCompleted")
    texts = grown(messages)
    assert "Key 0 is [hidden]" in texts[-1]
    assert not [each for each in texts if KEY in each or KEY[:10] in each]
    assert KEY.encode() not in scene.store.path.read_bytes()


def next_text(stream: Stream) -> Message:
    while (message := stream.next()).event != "text":
        pass
    return message
