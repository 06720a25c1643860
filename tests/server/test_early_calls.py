"""The first calls are answered before the SDK is there, with the bytes that the SDK would write."""

import json
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import House
from tests.server.test_stdio import PATIENCE_S, Child, registered, serving
from wfe_mcp.core.model import By
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.server import actor
from wfe_mcp.server.early_calls import EARLY, STEPS, EarlyCalls
from wfe_mcp.server.fast_start import CACHE, CAPABILITIES_KEY, CLIENT_KEY, MODERN, VERSION_KEY, FastStart
from wfe_mcp.server.served_project import ServedProject
from wfe_mcp.server.wire import Wire
from wfe_mcp.views.answers import reading, starting, tool_answers
from wfe_mcp.views.answers.starting import start_run
from wfe_mcp.views.runs.models import RunView

HELLO: dict[str, Any] = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
META: dict[str, Any] = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}, CLIENT_KEY: {"name": "test", "version": "1"}}
ERAS = ("handshake", "stateless")

Asked = tuple[str, dict[str, Any]]


def call(era: str, tool: str, arguments: Any, **more: Any) -> Asked:
    """A call as a client of this era makes it."""
    params = {"name": tool, "arguments": arguments, **more}
    return "tools/call", params | ({"_meta": META | more.get("_meta", {})} if era == "stateless" else {})


def begun(era: str) -> list[Asked]:
    """What the client says first."""
    return [("initialize", HELLO)] if era == "handshake" else []


def line(number: int, method: str, params: dict[str, Any]) -> bytes:
    request = {} if method.startswith("notifications/") else {"id": number}
    return json.dumps({"jsonrpc": "2.0", **request, "method": method, "params": params}).encode() + b"\n"


class Scene:
    """What a front and the early calls answer to messages, without the SDK: the lines, and what waits for it."""

    def __init__(self, served: ServedProject, messages: list[Asked]) -> None:
        source, self.client = os.pipe()
        read, sink = os.pipe()
        self.front = FastStart(Wire(source, sink), json.loads(Path(CACHE).read_bytes()))
        for number, (method, params) in enumerate(messages):
            os.write(self.client, line(number, method, params))
        self.reader = threading.Thread(target=self.front.read)
        self.reader.start()
        if not isinstance(served, Cancelling):
            self.hang_up()
        else:
            served.scene = self
            while self.front.first_call() is None:
                pass
        calls = EarlyCalls(self.front, served)
        calls.answer_waiting()
        if calls.engine is not None:
            calls.engine.close()
        self.front.wire.flush()
        os.close(source)
        os.close(sink)
        with os.fdopen(read, "rb") as answered:
            self.lines = {json.loads(each)["id"]: each for each in answered}
        self.waiting: list[Any] = []
        self.front.attach(self.waiting.append)

    def hang_up(self) -> None:
        os.close(self.client)
        self.reader.join(PATIENCE_S)

    @property
    def calls_that_wait(self) -> list[int]:
        return [frame["id"] for frame in self.waiting if frame and frame["method"] == "tools/call"]


class Cancelling(ServedProject):
    """A project whose client cancels its call while the project opens."""

    scene: Scene

    def engine(self, roots: Any = ()) -> Engine:
        cancel = ("notifications/cancelled", {"requestId": 1})
        os.write(self.scene.client, line(0, *cancel))
        self.scene.hang_up()
        return super().engine(roots)


def served(house: House, flag: str | None = "", kind: type[ServedProject] = ServedProject) -> ServedProject:
    """The project of ``house``, named by its flag unless another one is given."""
    return kind(str(house.root) if flag == "" else flag, house.environment, house.root)


def begin_run(house: House) -> str:
    engine = house.engine()
    run = start_run(engine, By(), "drill", inputs={"goal": "grün → 2"}, title="é drill").run
    engine.close()
    assert run is not None
    return run


def test_an_early_answer_has_the_bytes_that_the_sdk_writes(house: House) -> None:
    run = begin_run(house)
    asked: list[tuple[str, dict[str, Any]]] = [
        ("start_run", {"template": "drill", "inputs": {"goal": "é"}, "auto": False, "idempotency_key": "once"}),
        ("status", {}),
        ("status", {"run": run}),
        ("list_templates", {}),
        ("list_templates", {"query": "drill"}),
        ("list_templates", {"name": "drill"}),
        ("find", {"query": "grün"}),
        # refused, each for another reason: what is not there, what the rules forbid, what cannot be stored
        ("status", {"run": "no-such-run"}),
        ("list_templates", {"name": "no_such_template"}),
        ("start_run", {"template": "drill", "inputs": {"goal": 5}}),
        ("status", {"run": "a\0b"}),
    ]
    assert {tool for tool, _ in asked} == EARLY.keys(), "every tool that is answered early is compared"
    for era in ERAS:
        calls = [call(era, tool, arguments) for tool, arguments in asked]
        early = Scene(served(house), begun(era) + calls)
        first = len(begun(era))
        with serving(house) as child:
            if era == "handshake":
                child.ask("initialize", **HELLO)
                child.read()
            child.ask(
                "ping" if era == "handshake" else "resources/templates/list", _meta=META if era == "stateless" else {}
            )
            child.read()
            child.ask(
                "tools/call", name="no_such_tool", arguments={}, **({"_meta": META} if era == "stateless" else {})
            )
            child.read()  # only the SDK answers it, so from here on it answers all
            late: list[bytes] = []
            for number, (method, params) in enumerate(calls, first):
                child.stdin.write(line(number, method, params))
                child.stdin.flush()
                late.append(next(each for each in child.stdout if b'"id":' in each))  # not a notification
        assert early.waiting[first:] == [None]
        assert [early.lines[number] for number in range(first, first + len(calls))] == late


@pytest.mark.parametrize("era", ERAS)
def test_a_call_whose_arguments_only_the_sdk_can_judge_waits_for_it(house: House, era: str) -> None:
    waiting = [
        call(era, "no_such_tool", {}),
        call(era, "save_template", {"definition": {}}),
        call(era, "find", {}),
        call(era, "find", {"query": "grün", "limit": 3}),
        call(era, "start_phase", {"run": "no-such-run"}),
        call(era, "start_run", {"template": "drill", "auto": 1}),
        call(era, "start_run", {"template": "drill", "inputs": []}),
        call(era, "status", {"run": 5}),
        call(era, "status", {"run": None}),
        call(era, "status", {"wait_s": 5}),
        call(era, "status", {"detail": "full"}),
        call(era, "status", {"unknown": ""}),
        call(era, "status", []),
        call(era, "status", {}, requestState="x"),
        call(era, 5, {}),  # pyright: ignore[reportArgumentType] - a client may send anything
    ]
    first = len(begun(era))
    for asked in waiting:
        scene = Scene(served(house), [*begun(era), asked, call(era, "status", {})])
        assert (asked, scene.calls_that_wait) == (asked, [first, first + 1])
        assert not scene.lines.keys() - {0} or era == "stateless"


@pytest.mark.parametrize(
    "messages",
    [
        [call("handshake", "status", {})],
        [("initialize", HELLO), call("stateless", "status", {})],
        [call("stateless", "status", {}, _meta={CLIENT_KEY: {"name": 5}})],
        [call("stateless", "status", {}, _meta={CLIENT_KEY: 5})],
        [call("stateless", "status", {}, _meta={CAPABILITIES_KEY: 5})],
        [call("stateless", "status", {}, _meta={VERSION_KEY: "2031-01-01"})],
    ],
)
def test_a_call_that_the_sdk_may_refuse_as_a_request_waits_for_it(house: House, messages: list[Asked]) -> None:
    assert Scene(served(house), messages).calls_that_wait == [len(messages) - 1]


def test_a_call_waits_where_the_project_depends_on_the_folders_of_the_client(house: House, tmp_path: Path) -> None:
    roots: dict[str, Any] = {"roots": {}}
    greeting: list[Asked] = [("initialize", HELLO | {"capabilities": roots}), call("handshake", "status", {})]
    modern = [call("stateless", "status", {}, _meta={CAPABILITIES_KEY: roots})]
    elsewhere = ServedProject(None, house.environment, tmp_path)

    assert Scene(served(house, None), greeting).calls_that_wait == [1]
    assert Scene(elsewhere, modern).calls_that_wait == [0]
    assert Scene(served(house, None), modern).calls_that_wait == []
    assert Scene(served(house), greeting).calls_that_wait == []


@pytest.mark.parametrize("kind", [ServedProject, Cancelling])
def test_a_cancelled_call_is_not_answered(house: House, kind: type[ServedProject]) -> None:
    early = [] if kind is Cancelling else [("notifications/cancelled", {"requestId": 1})]
    scene = Scene(served(house, kind=kind), [*begun("handshake"), call("handshake", "status", {}), *early])

    assert scene.lines.keys() == {0}
    # One that was cancelled before it began is left to the SDK, with its cancellation.
    assert scene.calls_that_wait == ([] if kind is Cancelling else [1])


SQL = {"sqlalchemy", "pydantic", "asyncio"}
NEVER = {
    "mcp",
    "mcp_types",
    "anyio",
    "sqlmodel",
    "alembic",
    "typer",
    "rich",
    "http.client",
    "wfe_mcp.views.answers.tool_answers",
    "wfe_mcp.engine.runs.start",
    "wfe_mcp.engine.composition",
    "wfe_mcp.workflow.lint",
    "wfe_mcp.providers.manual",
}


@pytest.mark.parametrize(("is_open", "unneeded"), [(False, NEVER | SQL), (True, NEVER)])
def test_the_first_answer_needs_neither_the_sdk_nor_what_changes_runs_and_sql_only_where_a_run_is_open(
    house: House, is_open: bool, unneeded: set[str]
) -> None:
    if is_open:
        begin_run(house)
    answer, loaded = first_answer(house, "status")

    assert ("drill" in str(answer), answer["isError"]) == (is_open, False), answer
    assert unneeded & loaded == set()


def test_the_first_list_of_templates_needs_neither_their_models_nor_what_runs_checks_or_looks_at_files(
    house: House,
) -> None:
    answer, loaded = first_answer(house, "list_templates")
    unneeded = {"psutil", "wfe_mcp.engine.checks.readiness", "wfe_mcp.jobs.child", "wfe_mcp.store.rehearsal"}
    unneeded |= {"wfe_mcp.workflow.model", "wfe_mcp.workspace.discovery.check_table", "wfe_mcp.workspace.git.watched"}

    assert ("drill" in str(answer), answer["isError"]) == (True, False), answer
    assert (NEVER | unneeded) & loaded == set()


def first_answer(house: House, tool: str) -> tuple[dict[str, Any], set[str]]:
    """The result of the first call of a server, and the modules that are loaded then."""
    script = (
        "import json, os, sys\nfrom pathlib import Path\nimport wfe_mcp.server.entry\n"
        "from wfe_mcp.server import early_calls, fast_start, served_project, wire\n"
        "early_calls.log_to_stderr()\n"
        "front = fast_start.FastStart(wire.Wire.take(), json.loads(Path(fast_start.CACHE).read_bytes()))\nfront.read()\n"
        "place = served_project.ServedProject(None, dict(os.environ), Path.cwd())\n"
        "calls = early_calls.EarlyCalls(front, place)\ncalls.answer_waiting()\nfront.wire.flush()\n"
        "sys.stderr.write(' '.join(sys.modules))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        input=line(7, *call("stateless", tool, {})),
        cwd=house.root,
        env=house.environment | {"PYTHONPATH": str(Path(reading.__file__).parents[2])},
        capture_output=True,
        check=True,
    )
    return json.loads(ended.stdout)["result"], set(ended.stderr.decode().split())


@pytest.mark.parametrize("era", ERAS)
def test_a_first_call_that_changes_a_run_is_made_once_even_when_it_crashes(
    house: House, era: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start_and_crash(*arguments: Any, **more: Any) -> None:
        start_run(*arguments, **more)
        raise ZeroDivisionError("a secret path")

    monkeypatch.setattr(starting, "start_run", start_and_crash)
    scene = Scene(served(house), [*begun(era), call(era, "start_run", {"template": "drill", "inputs": {"goal": "x"}})])

    (answer,) = [json.loads(each)["result"] for number, each in scene.lines.items() if number == len(begun(era))]
    assert answer["structuredContent"]["error"]["code"] == "internal"
    assert "secret" not in str(answer)
    assert "ZeroDivisionError" in caplog.text
    assert scene.calls_that_wait == []
    engine = house.engine()
    assert reading.status(engine, By()).view_as(RunView).template, "one run: of several, status shows a list"
    engine.close()


def test_the_server_continues_with_the_project_of_the_first_call(house: House) -> None:
    with serving(house) as child:
        answer = first_status(child)["result"]
        assert answer["structuredContent"]["ok"], answer
        assert registered(house) == [child.process.pid]
        assert child.end() == 0


def test_the_first_answer_does_not_miss_the_worker_that_begins_after_it(house: House) -> None:
    run = begin_run(house)
    engine = house.engine()
    tool_answers.start_phase(engine, By(), run, "checked")
    left = tool_answers.submit_artifact(engine, By(), run, "checked", artifact={"title": "Left in its gate"})
    engine.close()
    assert left.state == "gating"
    with serving(house) as child:
        answer = first_status(child)["result"]["structuredContent"]
        assert (answer["run"], answer["data"].get("blockers")) == (run, None)
        assert child.end() == 0


def test_a_signal_while_the_server_loads_ends_it_as_later(house: House) -> None:
    with serving(house) as child:
        first_status(child)
        child.process.terminate()

        assert child.process.wait(PATIENCE_S) == 0 or os.name == "nt"


def first_status(child: Child) -> dict[str, Any]:
    child.ask("initialize", **HELLO)
    child.ask("tools/call", name="status", arguments={})
    child.read()
    return child.read()


def test_what_is_loaded_in_parts_exists() -> None:
    assert [name for name in STEPS if find_spec(name) is None] == []


@pytest.mark.parametrize(
    ("name", "found"), [("Claude\x1b Code ", "Claude Code"), ("\n", "agent"), ("x" * 99, "x" * 64)]
)
def test_the_name_of_a_client_is_readable_and_short(name: str, found: str) -> None:
    assert actor.by_name(name) == By(found)
