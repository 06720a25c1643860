"""The envelope: one shape for the answer of every tool and every refusal (design §6).

The structured form and the text carry the same facts, because some clients show the model only one of them. Empty keys
are absent; ``ok`` never is.

The status of a project without an open run. Apart from ``tool_answers``, which it must not load.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import field, replace
from typing import Any, TypeVar

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.texts import clean, visible_json
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.values.model import plain

V = TypeVar("V")

LIMIT_BYTES = 10_000
"""Each of text and structured content stays below this (design §6); longer values are cut and linked."""

ENVELOPE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["ok"],
    "properties": {
        "ok": {"type": "boolean"},
        "run": {"type": "string"},
        "phase": {"type": "string"},
        "state": {"type": "string"},
        "run_state": {"type": "string"},
        "waiting_on": {"type": "string"},
        "summary": {"type": "string"},
        "next": {"type": "array", "items": {"type": "object"}},
        "data": {"type": "object"},
        "error": {"type": "object"},
    },
}
"""Without enums on purpose: one of codes would break clients that validate with an older listing."""


@dataclass(frozen=True, slots=True)
class Next:
    """A call that is legal now. ``need``: argument → pointer into the envelope to the schema of what to fill in."""

    tool: str
    args: dict[str, Any] = field(default_factory=dict[str, Any])
    need: dict[str, str] = field(default_factory=dict[str, str])
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The wire form, without empty keys."""
        call: dict[str, Any] = {"tool": self.tool, "args": self.args}
        return call | ({"need": self.need} if self.need else {}) | ({"why": self.why} if self.why else {})


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer. ``state`` is the phase's attempt status when ``phase`` is set, else the run's.

    ``ok`` is false exactly when ``error`` is set; with ``gate_failed`` the revision is stored all the same. ``data`` is the
    JSON of ``view``, the same facts typed, where there is one.
    """

    ok: bool
    run: str | None = None
    phase: str | None = None
    state: str | None = None
    run_state: str | None = None
    waiting_on: str | None = None
    summary: str = ""
    next: tuple[Next, ...] = ()
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    error: Refused | None = None
    view: object = None

    def __post_init__(self) -> None:
        if self.view is not None and not self.data:
            object.__setattr__(self, "data", plain(self.view))

    def showing(self, view: object) -> Envelope:
        """The same answer with another view."""
        return replace(self, view=view, data={})

    def view_as(self, kind: type[V]) -> V:
        """The view, which is of this kind."""
        assert isinstance(self.view, kind), f"the answer shows {type(self.view).__name__}"
        return self.view

    def to_dict(self) -> dict[str, Any]:
        """The structured form."""
        places: dict[str, Any] = self._place() | {
            "summary": self.summary,
            "next": [move.to_dict() for move in self.next],
            "data": self.data,
            "error": _error(self.error),
        }
        return {"ok": self.ok} | {key: value for key, value in places.items() if value}

    @property
    def size_bytes(self) -> int:
        """The longer of its two forms on the wire."""
        return size_of(self.to_text(), self.to_dict())

    def _place(self) -> dict[str, str | None]:
        names = ("run", "phase", "state", "run_state", "waiting_on")
        return {name: getattr(self, name) for name in names}

    def to_text(self) -> str:
        """The text form: the same facts, one line each, ``data`` as compact JSON."""
        lines = [f"ok: {self.summary}"] if self.ok else []
        lines += [] if self.error is None else [f"{self.error.code}: {self.error.message}"]
        lines.append(" ".join(f"{key}={value}" for key, value in self._place().items() if value))
        if self.error is not None:
            lines += [f"hint: {self.error.hint}"] if self.error.hint else []
            lines += [_detail_line(detail) for detail in _details(self.error)]
            is_shown = self.ok or not self.summary or self.summary == self.error.message
            lines += [] if is_shown else [f"summary: {self.summary}"]
        lines += [_next_line(move) for move in self.next]
        if self.data:
            lines.append(f"data: {_json(self.data)}")
        # Further lines of a value are indented: the output of a test never reads as a line of the envelope.
        return "\n".join(clean(line).replace("\n", "\n  ") for line in lines if line)


def size_of(text: str, structured: dict[str, Any]) -> int:
    """The longer of both on the wire, with all non-ASCII characters escaped, the longest encoding."""
    return max(len(json.dumps([{"type": "text", "text": text}])), len(json.dumps(structured)))


def _error(refused: Refused | None) -> dict[str, Any]:
    if refused is None:
        return {}
    error: dict[str, Any] = {"code": refused.code, "message": refused.message}
    return (
        error
        | ({"hint": refused.hint} if refused.hint else {})
        | ({"details": _details(refused)} if refused.details else {})
    )


def _details(refused: Refused) -> list[dict[str, Any]]:
    return [
        {"path": detail.path, "message": detail.message}
        | {key: value for key, value in (("expected", detail.expected), ("got", detail.got)) if value is not None}
        for detail in refused.details
    ]


def _detail_line(detail: dict[str, Any]) -> str:
    more = ", ".join(f"{key} {_json(detail[key])}" for key in ("expected", "got") if key in detail)
    return f"- {detail['path'] or '(whole)'}: {detail['message']}" + (f" ({more})" if more else "")


def _next_line(move: Next) -> str:
    need = f" need {_json(move.need)}" if move.need else ""
    return f"next: {move.tool} {_json(move.args)}{need}" + (f" # {move.why}" if move.why else "")


def _json(value: object) -> str:
    return visible_json(value, separators=(",", ":"))


def idle_status(engine: Engine, with_files: Sequence[str] = ()) -> Envelope | None:
    """The status of a project in which nothing is open; None when an idle probe cannot tell, or lacks one of the runs ``with_files``."""
    ready = engine.ready_when_idle(with_files)
    return None if ready is None else nothing_open(engine, ready)


def nothing_open(engine: Engine, ready: int) -> Envelope:
    """The answer where no run is open, and so many work items are ready.

    It names the folder: a client may have started the server in another one.
    """
    is_ready = f"{plural(ready, 'work item')} {'is' if ready == 1 else 'are'} ready"
    work = (Next("work", {"action": "next"}, why=is_ready),) if ready else ()
    folder = (
        "" if engine.serves_folder else f": {engine.root}"
    )  # of a bridge the folder at the server is not the client's
    parts = (f"No run is open in this project{folder}", engine.perhaps, is_ready if ready else "")
    moves = (*work, Next("list_templates", why="choose a template, then start_run"))
    return Envelope(True, summary=". ".join(filter(None, parts)), next=moves, data={"runs": []})
