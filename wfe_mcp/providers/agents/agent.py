"""What do we know of a command-line agent, and what can it tell us?

Pure: an ``Agent`` makes an argv and reads lines; whoever runs the child is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wfe_mcp.providers.call import Connection, FaultKind, Task, Usage

__all__ = [
    "NETWORK",
    "Agent",
    "AgentResult",
    "AgentUsage",
    "Heard",
    "Said",
    "Speaks",
    "ToolBegan",
    "ToolDone",
    "Trouble",
    "content_text",
    "given",
    "listed",
    "records",
    "word",
    "words_of",
]  # fmt: skip

Given = dict[str, Any]

NETWORK = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA",
)  # fmt: skip
"""Variables that every agent needs to reach its vendor from behind a proxy; none is a key."""


@dataclass(frozen=True, slots=True)
class Said:
    """Text of the model. ``goes_on``: it continues the piece before."""

    text: str
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class ToolBegan:
    """The agent uses one of its own tools."""

    id: str
    name: str
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolDone:
    """The tool ``id`` is done. ``began`` is set by agents that tell of some tools only afterwards."""

    id: str
    text: str
    ok: bool
    began: ToolBegan | None = None


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """What the whole work used so far; the last one counts."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Speaks:
    """Which model it is."""

    model: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something failed, perhaps only for now. ``kind``: what the agent itself says it was."""

    message: str
    kind: FaultKind | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class AgentResult:
    """The agent says that it is through. ``text``: its whole answer, where it says that once more."""

    how: Literal["done", "tool_limit", "failed"]
    text: str = ""


Heard = Said | ToolBegan | ToolDone | AgentUsage | Speaks | Trouble | AgentResult


@dataclass(frozen=True, slots=True)
class Agent:
    """One kind of agent.

    ``program``: its usual argv. ``variables``: names that pass into its environment, ``key`` the one that a configured
    key goes into. ``options``: those of ``Connection.options`` that it understands. ``install`` and ``login``: what a
    person does when it is missing, or not let in.
    """

    program: tuple[str, ...]
    key: str
    variables: tuple[str, ...]
    options: tuple[str, ...]
    install: str
    login: str
    arguments: Callable[[Connection, Task], Sequence[str]]
    hear: Callable[[Given], Iterable[Heard]]
    exits: Mapping[int, FaultKind] = field(default_factory=dict[int, "FaultKind"])


def word(record: Given, name: str) -> str:
    """A text in a record; empty when it is missing or something else."""
    value = record.get(name)
    return value if isinstance(value, str) else ""


def given(record: Given, name: str) -> Given:
    """A record in a record; empty when it is missing or something else."""
    value = record.get(name)
    return cast("Given", value) if isinstance(value, dict) else {}


def records(record: Given, name: str) -> list[Given]:
    """The records of a list in a record."""
    value = record.get(name)
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Given", each) for each in listed if isinstance(each, dict)]


def count(record: Given, name: str) -> int:
    """A count in a record; 0 when it is missing or something else."""
    value = record.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


def content_text(content: object) -> str:
    """The text of a tool's result, which is a text or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    return "\n".join(word(cast("Given", each), "text") for each in blocks if isinstance(each, dict))


def words_of(value: object) -> list[str]:
    """An option that is a word or a list of words."""
    if isinstance(value, str):
        return [value]
    listed = cast("list[object]", value) if isinstance(value, list | tuple) else []
    return [str(each) for each in listed]


def listed(flag: str, value: object) -> list[str]:
    """``flag a,b`` for an option; nothing when it is not set."""
    words = words_of(value) if not isinstance(value, int | float) else [str(value)]
    return [flag, ",".join(words)] if words else []
