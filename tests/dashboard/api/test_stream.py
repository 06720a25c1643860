"""The stream of new events."""

import contextlib
import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.dashboard.api.client import WAIT_S, Program
from tests.dashboard.api.conftest import Connect
from tests.engine.scene import AGENT, Scene, phase
from wfe_mcp.core import events as e
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.items import ItemKind, new_item
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.access.tokens import create_token, revoke_token
from wfe_mcp.store import Tx
from wfe_mcp.store.records.calls import NewToolCall


@dataclass
class Message:
    event: str
    id: int
    data: dict[str, Any]


@pytest.fixture
def listen() -> Iterator["Callable[..., Stream]"]:
    with contextlib.ExitStack() as opened:

        def open_(program: Program, query: str = "", **headers: str) -> Stream:
            return opened.enter_context(contextlib.closing(Stream(program, query, **headers)))

        yield open_


class Stream:
    """A reader of Server-Sent Events."""

    def __init__(self, program: Program, query: str = "", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=WAIT_S)
        sent = {"Host": f"localhost:{program.port}", "Authorization": f"Bearer {program.token}", **headers}
        self._connection.request("GET", f"/api/v1/events{query}", headers=sent)
        self.response = self._connection.getresponse()
        assert self.response.status == 200, self.response.read()
        self._messages = self._read()
        self.began = self.next()

    def next(self) -> Message:
        return next(self._messages)

    def rest(self) -> Iterator[Message]:
        """What comes until the server ends the stream."""
        return self._messages

    def events(self, count: int) -> list[Message]:
        found = [self.next() for _ in range(count)]
        assert {each.event for each in found} == {"event"}
        return found

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def _read(self) -> Iterator[Message]:
        fields: dict[str, str] = {}
        while line := self.response.readline().decode():
            if line.strip():
                name, _, value = line.rstrip("\r\n").partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield Message(fields.get("event", "message"), int(fields.get("id", 0)), json.loads(fields["data"]))
                fields = {}


Listen = Callable[..., Stream]


@pytest.mark.requirement("S1-33", "S1-28")
def test_events_of_other_processes_arrive_in_the_order_of_the_log(
    scene: Scene, program: Program, listen: Listen
) -> None:
    scene.define(phase("plan"))
    stream = listen(program)
    assert stream.began.event == "ready"

    run = start_elsewhere(scene)

    arrived = stream.events(2)
    logged = program.get("/runs/{run}/events", {"run": run}).data["events"]
    assert [each.data["type"] for each in arrived] == [each["type"] for each in logged[:2]]
    assert {each.data["run"] for each in arrived} == {run}
    assert [each.id for each in arrived] == sorted(each.id for each in arrived)


def test_a_client_that_reconnects_misses_nothing_and_gets_nothing_twice(
    scene: Scene, program: Program, listen: Listen
) -> None:
    scene.define(phase("plan"))
    stream = listen(program)
    begin = stream.began.id
    run = start_elsewhere(scene)
    (seen,) = stream.events(1)
    stream.close()
    start_elsewhere(scene)
    count = len(program.get("/activity", limit=500).data["events"])

    again = listen(program, **{"Last-Event-ID": str(seen.id)})
    rest = again.events(count - 1)

    whole = listen(program, f"?after={begin}").events(count)
    assert [each.id for each in (seen, *rest)] == [each.id for each in whole]
    assert whole[0].data["run"] == run


@pytest.fixture
def shared_stream(shared: Scene, listen: Listen) -> Iterator[Callable[..., Stream]]:
    """Opens the stream of events of its page, with these headers."""
    with serve_page(shared.engine, 0) as page:
        assert isinstance(page, Page)
        text = create_token(shared.engine, AGENT, "ci", "work")[1]

        def open_(**headers: str) -> Stream:
            return listen(Program(page.port, text), **headers)

        yield open_


def test_on_postgresql_an_event_arrives_that_is_committed_after_a_later_one(
    shared: Scene, shared_stream: Callable[[], Stream]
) -> None:
    slow, fast = shared.start(phase("plan")), shared.start(phase("plan"))
    stream = shared_stream()
    switched = e.AutoSwitched(auto=False)
    with shared.store.tx() as tx:
        loaded = tx.runs.load(RunId(slow))
        assert loaded is not None
        tx.runs.save(loaded, evolve(loaded.state, switched), [switched], AGENT, shared.clock())
        shared.begin(fast)
        (first,) = stream.events(1)

    assert shared.submit(fast, "plan").ok
    arrived = [first]
    while arrived[-1].data["type"] != "RevisionSubmitted":
        arrived += stream.events(1)

    assert (slow, "AutoSwitched") in [(message.data["run"], message.data["type"]) for message in arrived]
    assert [message.id for message in arrived] == sorted(message.id for message in arrived)


def test_on_postgresql_who_reconnects_gets_what_was_committed_late_meanwhile(
    shared: Scene, shared_stream: Callable[..., Stream]
) -> None:
    slow, fast = shared.start(phase("plan")), shared.start(phase("plan"))
    shared.clock.advance(hours=1)
    stream = shared_stream()
    switched = e.AutoSwitched(auto=False)
    with shared.store.tx() as tx:
        loaded = tx.runs.load(RunId(slow))
        assert loaded is not None
        tx.runs.save(loaded, evolve(loaded.state, switched), [switched], AGENT, shared.clock())
        shared.begin(fast)
        (seen,) = stream.events(1)
        stream.close()
    again = shared_stream(**{"Last-Event-ID": str(seen.id)})
    assert shared.submit(fast, "plan").ok
    arrived = again.events(1)
    while arrived[-1].data["type"] != "RevisionSubmitted":
        arrived += again.events(1)

    assert (slow, "AutoSwitched") in [(message.data["run"], message.data["type"]) for message in arrived]
    assert "RunStarted" not in [message.data["type"] for message in arrived], "what is old is not sent again"
    assert [message.id for message in arrived] == sorted(message.id for message in arrived)


def test_on_postgresql_a_work_item_is_named_whose_change_is_committed_after_a_later_one(
    shared: Scene, shared_stream: Callable[[], Stream]
) -> None:
    with shared.store.tx() as tx:
        slow, fast = (tx.projects.id_of(place, place) for place in ("/slow", "/fast"))

    def add(tx: Tx, project: str) -> None:
        item = new_item(tx.items.new_id(project), ItemKind.TASK, {"title": "Thank Ada"})
        tx.items.add(project, item, AGENT, shared.clock())

    stream = shared_stream()
    with shared.store.tx() as tx:
        add(tx, slow)
        with shared.store.tx() as other:
            add(other, fast)
        arrived = [stream.next()]
    with shared.store.tx() as tx:
        add(tx, fast)

    while arrived[-1].data["item"] != "W-2":
        arrived += [stream.next()]
    assert [(message.data["project"], message.data["item"]) for message in arrived] == [
        (fast, "W-1"),
        (slow, "W-1"),
        (fast, "W-2"),
    ]


def test_on_postgresql_a_tool_call_is_sent_that_is_committed_after_a_later_one(
    shared: Scene, shared_stream: Callable[[], Stream]
) -> None:
    run = RunId(shared.start(phase("plan")))
    shared.begin(run)

    def begin(tx: Tx, name: str) -> str:
        return tx.tool_calls.begin(NewToolCall(run, PhasePath("plan"), 1, name, {}))

    stream = shared_stream()
    with shared.store.tx() as tx:
        slow = begin(tx, "slow")
        with shared.store.tx() as other:
            fast = begin(other, "fast")
        arrived = [stream.next()]
    with shared.store.tx() as tx:
        tx.tool_calls.end(fast, "done", ok=True, duration_ms=1)
    while arrived[-1].data["tool"] != "fast" or not arrived[-1].data["ok"]:
        arrived += [stream.next()]
    with shared.store.tx() as tx:
        tx.tool_calls.end(slow, "done", ok=True, duration_ms=1)
        begin(tx, "last")
    while arrived[-1].data["tool"] != "last":
        arrived += [stream.next()]

    assert [(message.data["tool"], message.data["ok"]) for message in arrived] == [
        ("fast", None),
        ("slow", None),
        ("fast", True),
        ("slow", True),
        ("last", None),
    ]


def test_a_changed_work_item_is_named_to_who_may_see_its_project(
    scene: Scene, connect: Connect, listen: Listen
) -> None:
    with scene.store.tx() as tx:
        other = tx.projects.id_of(str(scene.root.parent), str(scene.root.parent))
    everything, ours = connect(name="all"), connect(name="one", project=scene.engine.project_id)
    stream, foreign = listen(everything), listen(everything, f"?project={other}")
    ours.post("/items", item={"title": "Thank Ada"})
    ours.post("/items/{id}", {"id": "W-1"}, item={"priority": 9})
    with scene.store.tx() as tx:
        item = new_item(tx.items.new_id(other), ItemKind.TASK, {"title": "Elsewhere"})
        tx.items.add(other, item, AGENT, scene.clock())

    found = [stream.next() for _ in range(3)]
    assert {each.event for each in found} == {"item"}
    assert [(each.data["project"], each.data["item"]) for each in found] == [
        (scene.engine.project_id, "W-1"),
        (scene.engine.project_id, "W-1"),
        (other, "W-1"),
    ]
    assert foreign.next().data == {"project": other, "item": "W-1"}


def test_a_position_past_the_end_starts_over(scene: Scene, program: Program, listen: Listen) -> None:
    scene.define(phase("plan"))
    program.post("/runs", template="drill")
    last = program.get("/activity", limit=1).data["events"][0]["position"]

    stream = listen(program, "?after=999999")

    assert (stream.began.event, stream.began.id) == ("reset", last)


def test_a_stream_of_one_project_has_no_events_of_another(scene: Scene, connect: Connect, listen: Listen) -> None:
    scene.define(phase("plan"))
    with scene.store.tx() as tx:
        other = tx.projects.id_of(str(scene.root.parent), str(scene.root.parent))
    everything, one = connect(name="all"), connect(name="one", project=scene.engine.project_id)
    stream, foreign = listen(everything, f"?project={other}&after=0"), listen(one, "?after=0")
    assert foreign.began.event == stream.began.event == "ready"

    everything.post("/runs", template="drill")

    assert foreign.next().event == "event"
    everything.post("/runs", template="drill")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_a_page_that_is_open_in_a_browser_ends_at_once_and_without_an_error(scene: Scene, listen: Listen) -> None:
    """Ctrl-C waited for three seconds and printed a traceback wherever a tab was open."""
    _, token = create_token(scene.engine, AGENT, "tab", "read")
    argv = [sys.executable, "-m", "wfe_mcp", "ui", "--port", "0", "--json", "--project", str(scene.root)]
    env = {**scene.environment, "WFE_DATABASE_URL": f"sqlite:///{scene.store.path}"}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        port = int(json.loads(page.stdout.readline())["data"]["url"].removesuffix("/").rpartition(":")[2])
        stream = listen(Program(port, token))
        assert stream.began.event == "ready"
        page.send_signal(signal.SIGTERM)
        _, said = page.communicate(timeout=WAIT_S)
        assert (page.returncode, said) == (0, ""), said


def start_elsewhere(scene: Scene) -> str:
    """A run that another process starts."""
    done = subprocess.run(
        [sys.executable, "-m", "wfe_mcp", "start", "drill", "--json", "--project", str(scene.root)],
        env={**scene.environment, "WFE_DATABASE_URL": f"sqlite:///{scene.store.path}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)["run"]


@pytest.mark.attack("a program continues to read a stream after its token is revoked or has expired", "held", "T3")
@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_stream_sends_no_news_to_a_token_that_opens_nothing_any_more(
    scene: Scene, connect: Connect, listen: Listen, end: str
) -> None:
    scene.define(phase("plan"))
    stream = listen(connect("read", name="gone", expires_s=60))
    if end == "revoked":
        revoke_token(scene.engine, AGENT, "gone")
    else:
        scene.clock.advance(seconds=61)
    start_elsewhere(scene)
    assert next(stream.rest(), None) is None
