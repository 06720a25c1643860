"""The fast start answers only what the SDK would, and passes all else on in order."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.server.bridge.serve import Bridge
from wfe_mcp.server.entry import plain_options
from wfe_mcp.server.fast_start import CACHE, CAPABILITIES_KEY, LISTS, MODERN, VERSION_KEY, FastStart
from wfe_mcp.server.wire import Wire

ABOUT = {"name": "test", "version": "1"}
META: dict[str, Any] = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}


def hello(**changes: Any) -> dict[str, Any]:
    return {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": ABOUT} | changes


class Scene:
    """A front, what it receives, what it answers and what it hands over."""

    def __init__(self, *messages: tuple[str, Any]) -> None:
        self.cache: dict[str, Any] = json.loads(Path(CACHE).read_text(encoding="utf-8"))
        source, write = os.pipe()
        read, sink = os.pipe()
        with os.fdopen(write, "wb") as client:
            for number, (method, params) in enumerate(messages):
                request = {} if method.startswith("notifications/") else {"id": number}
                frame = {"jsonrpc": "2.0", **request, "method": method, "params": params}
                client.write(json.dumps(frame).encode() + b"\n")
        self.front = FastStart(Wire(source, sink), self.cache)
        self.front.read()
        self.front.wire.flush()
        os.close(source)
        os.close(sink)
        with os.fdopen(read, "rb") as answered:
            self.answers = {answer["id"]: answer["result"] for answer in map(json.loads, answered)}
        self.handed_over: list[str | None] = []
        self.front.attach(lambda frame: self.handed_over.append(frame["method"] if frame else None))


def test_a_handshake_client_has_its_lists_before_the_sdk_is_there() -> None:
    nothing: dict[str, Any] = {}
    lists = [(method, nothing) for method in LISTS]
    scene = Scene(("initialize", hello()), ("notifications/initialized", nothing), *lists)

    assert scene.answers[0] == {"protocolVersion": "2025-06-18", **scene.cache["handshake"]["initialize"]}
    assert [scene.answers[number] for number in range(2, 6)] == [scene.cache["handshake"][method] for method in LISTS]
    assert scene.handed_over == ["initialize", "notifications/initialized", None]


@pytest.mark.parametrize(
    "first", [("initialize", hello()), ("server/discover", {"_meta": META})], ids=["handshake", "stateless"]
)
def test_a_client_of_a_bridge_that_speaks_late_is_greeted_and_the_server_is_not_asked(
    first: tuple[str, Any], tmp_path: Path
) -> None:
    method, params = first
    lists: dict[str, Any] = {"_meta": META} if "_meta" in params else {}
    source, write = os.pipe()
    read, sink = os.pipe()
    front = FastStart(Wire(source, sink), json.loads(Path(CACHE).read_text(encoding="utf-8")))
    front.attach(Bridge(front, "http://127.0.0.1:9", str(tmp_path)).take)
    with os.fdopen(write, "wb") as client:
        for number, each in enumerate([(method, params), ("tools/list", lists)]):
            frame = {"jsonrpc": "2.0", "id": number, "method": each[0], "params": each[1]}
            client.write(json.dumps(frame).encode() + b"\n")
    front.read()
    front.wire.flush()
    os.close(source)
    os.close(sink)
    with os.fdopen(read, "rb") as answered:
        answers = {answer["id"]: answer.get("result", {}) for answer in map(json.loads, answered)}
    assert answers[0]["capabilities"]
    assert len(answers[1]["tools"]) > 1


def test_the_second_answer_to_the_handshake_is_dropped_once() -> None:
    scene = Scene(("initialize", hello()))

    assert not scene.front.drops("0")
    assert not scene.front.drops(None)
    assert scene.front.drops(0)
    assert not scene.front.drops(0)


def test_an_unknown_version_is_offered_the_newest_handshake() -> None:
    scene = Scene(("initialize", hello(protocolVersion="2031-01-01")))

    assert scene.answers[0]["protocolVersion"] == "2025-11-25"


def test_a_stateless_client_has_its_lists_before_the_sdk_is_there() -> None:
    methods = ("server/discover", *LISTS)
    scene = Scene(*((method, {"_meta": META}) for method in methods))

    assert list(scene.answers.values()) == [scene.cache["stateless"][method] for method in methods]
    assert scene.handed_over == [None]


UNUSUAL: list[list[tuple[str, dict[str, Any]]]] = [
    [("tools/list", {})],
    [("initialize", hello(clientInfo={"name": 5}))],
    [("initialize", {})],
    [("tools/list", {"_meta": {VERSION_KEY: MODERN}})],
    [("tools/list", {"_meta": META, "cursor": "x"})],
    [("tools/list", {"_meta": {**META, VERSION_KEY: "2031-01-01"}})],
    [("tools/list", {"_meta": {**META, VERSION_KEY: 5}})],
    [("tools/call", {"_meta": META, "name": "status", "arguments": {}})],
]


@pytest.mark.parametrize("messages", UNUSUAL)
def test_whatever_is_unusual_waits_for_the_sdk(messages: list[tuple[str, Any]]) -> None:
    scene = Scene(*messages)

    assert scene.answers == {}
    assert scene.handed_over == [*(method for method, _ in messages), None]


def test_a_request_of_the_other_era_waits_for_the_refusal_of_the_sdk() -> None:
    handshake = Scene(("initialize", hello()), ("tools/list", {"_meta": META}))
    stateless = Scene(("tools/list", {"_meta": META}), ("tools/list", {}), ("initialize", hello()))

    assert list(handshake.answers) == [0]
    assert list(stateless.answers) == [0]
    assert stateless.handed_over == ["tools/list", "initialize", None]


def test_calls_that_come_early_keep_their_order() -> None:
    call = ("tools/call", {"name": "status"})
    scene = Scene(("initialize", hello()), call, ("tools/list", {}), ("ping", {}), call)

    assert list(scene.answers) == [0, 2]
    assert scene.handed_over == ["initialize", "tools/call", "ping", "tools/call", None]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], ("", "")),
        (["--project", "x"], ("x", "")),
        (["--project=x"], ("x", "")),
        (["--server", "u", "--project=x"], ("x", "u")),
        (["--server"], None),
        (["--help"], None),
        (["--project"], None),
        (["--project", "x", "y"], None),
    ],
)
def test_serve_reads_its_options_itself(arguments: list[str], options: tuple[str, str] | None) -> None:
    assert plain_options(arguments) == options
