"""Fast start: answers the handshake and the lists from a cache while the SDK loads (half a second).

    client ──► reader thread ──► cache of the handshake and the lists        until the SDK is there
                     └─────────► backlog ──► first calls (main thread)            what one view answers: ``early_calls``
                                    └──────► the SDK's event loop (main thread)   everything else, in order

Standard library only. scripts/generate_front.py writes the cache from the live server; a test keeps both equal.

Rules:
1. The front answers only where the SDK would send exactly the same bytes; any other request waits for the SDK.
2. ``initialize`` is answered at once and also passed to the SDK, which needs it; the SDK's answer is dropped.
3. The first request decides the protocol era, as in the SDK. A request of the other era waits for the SDK's refusal.
4. Calls stay in order among themselves: behind one that waits for the SDK, every other waits too.
"""

from __future__ import annotations

import json
import os
import threading

from wfe_mcp.server.wire import Wire, cast

TYPE_CHECKING = False  # not typing's own: to load typing takes longer than the first answer
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Literal

    Frame = dict[str, Any]
    Deliver = Callable[[Frame | None], None]

CACHE = os.path.join(os.path.dirname(__file__), "front.json")  # noqa: PTH118, PTH120 - pathlib takes longer to load than the answer
"""``versions`` of the handshake, and method → result for ``handshake`` and ``stateless``. Written by
scripts/generate_front.py."""

MODERN = "2026-07-28"
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
FIXED = ("tools/list", "prompts/list", "resources/templates/list")
"""Of these the lists that are the same in every project and at every time."""
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"


class EarlyCall:
    """A call that waits in the backlog. ``asks_roots``: the client can be asked for its folders."""

    def __init__(
        self, request: str | int, tool: str, arguments: Frame, *, client: str, asks_roots: bool, is_stateless: bool
    ) -> None:
        self.request, self.tool, self.arguments = request, tool, arguments
        self.client, self.asks_roots, self.is_stateless = client, asks_roots, is_stateless


class FastStart:
    """Answers the first requests, and passes all others to the SDK."""

    def __init__(self, wire: Wire, cache: dict[str, Any]) -> None:
        self.wire = wire
        self._cache = cache
        self._era: Literal["handshake", "stateless", "unusual"] | None = None
        self._hello: Frame = {}
        self._dropped: set[str | int] = set()
        self._lock = threading.Lock()
        self._backlog: list[Frame | None] = []
        self._deliver: Deliver | None = None

    def read(self) -> None:
        """Read the wire until its end. Runs in a separate thread."""
        for frame in self.wire.frames():
            if self.wire.broken:
                break
            if self._deliver is None and self._answer_from_cache(frame):
                continue
            self._pass_on(frame)
        self._pass_on(None)

    def attach(self, deliver: Deliver) -> None:
        """Pass the waiting messages to ``deliver``, then every later one. None is the end."""
        with self._lock:
            for frame in self._backlog:
                deliver(frame)
            self._backlog.clear()
            self._deliver = deliver

    @property
    def has_greeted(self) -> bool:
        """True when a stateless client was answered that the SDK does not know."""
        return self._era == "stateless"

    def first_call(self) -> EarlyCall | None:
        """The first call of the backlog; None without one, and where only the SDK can tell what it means."""
        with self._lock:
            waiting = [frame for frame in self._backlog if frame is not None]
        frame = next((frame for frame in waiting if frame.get("method") == "tools/call"), None)
        return None if frame is None or _is_cancelled(waiting, frame.get("id")) else self._early(frame)

    def input_schema(self, tool: str) -> Frame:
        """The schema of the arguments of a tool that is in the list."""
        tools: list[Frame] = self._cache["handshake"]["tools/list"]["tools"]
        return next(frame["inputSchema"] for frame in tools if frame["name"] == tool)

    def answer(self, call: EarlyCall, result: Frame) -> None:
        """Answer the first call of the backlog, and remove it; without an answer if the client cancelled it meanwhile."""
        with self._lock:
            methods = [frame and frame.get("method") for frame in self._backlog]
            del self._backlog[methods.index("tools/call")]
            is_cancelled = _is_cancelled(self._backlog, call.request)
        result = self.in_this_era(result)
        if not is_cancelled:
            message = {"jsonrpc": "2.0", "id": call.request, "result": result}
            self.wire.write(json.dumps(message, separators=(",", ":"), ensure_ascii=False))

    def in_this_era(self, result: Frame) -> Frame:
        """``result``, which a handshake client gets, as the client of this connection gets it."""
        if not self.is_modern:
            return result
        meta = self._cache["stateless"]["tools/list"]["_meta"]
        parts = {key: result[key] for key in ("content", "isError")}
        return {**parts, "resultType": "complete", "structuredContent": result["structuredContent"], "_meta": meta}

    @property
    def is_modern(self) -> bool:
        """True for a client of the stateless protocol."""
        return self._era == "stateless"

    @property
    def version(self) -> str:
        """The version of the protocol that this connection speaks."""
        if self.is_modern:
            return MODERN
        asked, known = self._hello.get("protocolVersion"), cast("list[str]", self._cache["versions"])
        return asked if asked in known else known[-1]

    def greets(self, frame: Frame) -> bool:
        """As ``_answer_from_cache`` for the first request of a client that spoke only after ``attach``; False for any later one."""
        return self._era is None and self._answer_from_cache(frame)

    def cached_list(self, frame: Frame) -> Frame | None:
        """The cached result of a list that never changes; None for all that the server must be asked."""
        if self._era not in {"handshake", "stateless"} or frame.get("method") not in FIXED:
            return None
        answer: Frame = self._cache[self._era][frame["method"]]
        return answer

    def only_reads(self, tool: str) -> bool:
        """Whether the list of tools says that a tool changes nothing."""
        tools: list[Frame] = self._cache["handshake"]["tools/list"]["tools"]
        return any(frame["name"] == tool and frame["annotations"].get("readOnlyHint") is True for frame in tools)

    def drops(self, request: str | int | None) -> bool:
        """True once for a request that the front has answered."""
        if request is None or request not in self._dropped:
            return False
        self._dropped.discard(request)
        return True

    def _pass_on(self, frame: Frame | None) -> None:
        with self._lock:
            if self._deliver is None:
                self._backlog.append(frame)
            else:
                self._deliver(frame)

    def _answer_from_cache(self, frame: Frame) -> bool:
        """Answer from the cache where rule 1 allows it. True when the SDK does not need the message."""
        if "method" not in frame or "id" not in frame or self._era == "unusual":
            return False
        method, params = frame["method"], frame.get("params", {})
        if method == "initialize":
            self._greet(frame["id"], params)
            return False
        version = _envelope_version(params)
        era = "handshake" if version is None else "stateless" if version == MODERN else "unusual"
        if self._era is None:
            # A client that asks for lists before its handshake: only the SDK can answer.
            self._era = "stateless" if era == "stateless" else "unusual"
        if era == "unusual" or era != self._era or not _is_plain(params, era):
            return False
        result = self._cache[era].get(method)
        if result is None:
            return False
        self.wire.send({"jsonrpc": "2.0", "id": frame["id"], "result": result})
        return True

    def _greet(self, request: str | int, params: Frame) -> None:
        if self._era is not None or not _is_handshake(params):
            self._era = "unusual"
            return
        self._era = "handshake"
        self._hello = params
        self._dropped.add(request)
        asked: str = params["protocolVersion"]
        version = asked if asked in self._cache["versions"] else self._cache["versions"][-1]
        result = {"protocolVersion": version, **self._cache["handshake"]["initialize"]}
        self.wire.send({"jsonrpc": "2.0", "id": request, "result": result})

    def _early(self, frame: Frame) -> EarlyCall | None:
        """The call in ``frame``; None unless it consists of a name and arguments, in the era of this connection."""
        params: Frame = frame.get("params", {})
        tool, arguments, meta = params.get("name"), params.get("arguments", {}), params.get("_meta", {})
        is_stateless = self._era == "stateless"
        version = _envelope_version(params)
        if (
            not isinstance(tool, str)
            or not isinstance(arguments, dict)
            or not isinstance(meta, dict)
            or not params.keys() <= {"name", "arguments", "_meta"}
            or self._era not in {"handshake", "stateless"}
            or version != (MODERN if is_stateless else None)
        ):
            return None
        about = cast("Frame", meta)
        client: object = about.get(CLIENT_KEY, {"name": ""}) if is_stateless else self._hello["clientInfo"]
        capabilities: object = about.get(CAPABILITIES_KEY) if is_stateless else self._hello["capabilities"]
        name = cast("Frame", client).get("name") if isinstance(client, dict) else None
        if not isinstance(name, str) or not isinstance(capabilities, dict):
            return None
        asks_roots = cast("Frame", capabilities).get("roots") is not None
        return EarlyCall(
            frame["id"], tool, cast("Frame", arguments), client=name, asks_roots=asks_roots, is_stateless=is_stateless
        )


def _is_cancelled(frames: Iterable[Frame | None], request: object) -> bool:
    return any(
        frame["params"].get("requestId") == request
        for frame in frames
        if frame and frame.get("method") == "notifications/cancelled" and "params" in frame
    )


def _envelope_version(params: Frame) -> str | None:
    """The protocol version of a modern request; empty when it is not text."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or VERSION_KEY not in meta:
        return None
    version = cast("Frame", meta)[VERSION_KEY]
    return version if isinstance(version, str) else "unknown"


def _is_plain(params: Frame, era: str) -> bool:
    """True when no part of the request could change the answer."""
    if not params.keys() <= {"_meta"}:
        return False
    return era == "handshake" or isinstance(params["_meta"].get(CAPABILITIES_KEY), dict)


def _is_handshake(params: Frame) -> bool:
    client = params.get("clientInfo")
    if not isinstance(client, dict) or not isinstance(params.get("capabilities"), dict):
        return False
    about = cast("Frame", client)
    texts = (params.get("protocolVersion"), about.get("name"), about.get("version"))
    return all(isinstance(text, str) for text in texts)
