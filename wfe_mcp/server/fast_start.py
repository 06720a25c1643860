"""Fast start: answers the handshake and the lists from a cache while the SDK loads (half a second).

    client ──► reader thread ──► cache of the handshake and the lists        until the SDK is there
                     └─────────► backlog ──► the SDK's event loop (main thread)   everything else, in order

Standard library only. scripts/generate_front.py writes the cache from the live server; a test keeps both equal.

Rules:
1. The front answers only where the SDK would send exactly the same bytes; any other request waits for the SDK.
2. ``initialize`` is answered at once and also passed to the SDK, which needs it; the SDK's answer is dropped.
3. The first request decides the protocol era, as in the SDK. A request of the other era waits for the SDK's refusal.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

from wfe_mcp.server.wire import Wire

CACHE = Path(__file__).with_name("front.json")
"""``versions`` of the handshake, and method → result for ``handshake`` and ``stateless``. Written by
scripts/generate_front.py."""

MODERN = "2026-07-28"
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"

Frame = dict[str, Any]
Deliver = Callable[[Frame | None], None]


class FastStart:
    """Answers the first requests, and passes all others to the SDK."""

    def __init__(self, wire: Wire, cache: dict[str, Any]) -> None:
        self.wire = wire
        self._cache = cache
        self._era: Literal["handshake", "stateless", "unusual"] | None = None
        self._dropped: set[str | int] = set()
        self._lock = threading.Lock()
        self._backlog: list[Frame | None] = []
        self._deliver: Deliver | None = None

    def read(self) -> None:
        """Read the wire until its end. Runs in a separate thread."""
        for frame in self.wire.frames():
            if self.wire.broken:
                break
            if self._deliver is None and self._answered(frame):
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

    def _answered(self, frame: Frame) -> bool:
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
        self._dropped.add(request)
        asked: str = params["protocolVersion"]
        version = asked if asked in self._cache["versions"] else self._cache["versions"][-1]
        result = {"protocolVersion": version, **self._cache["handshake"]["initialize"]}
        self.wire.send({"jsonrpc": "2.0", "id": request, "result": result})


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
