"""The description of a command-line agent, its events, and readers of its JSON records.

Pure: an ``Agent`` builds an argv and interprets records; ``work.py`` runs the child.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.units import words
from wfe_mcp.providers.call import Connection, FaultKind, Task, Usage

Given = dict[str, Any]

PROXY = words("HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy")
AUTHORITIES = words("SSL_CERT_FILE NODE_EXTRA_CA_CERTS")
"""Variables by which an agent reaches its vendor. They are set from ``[http]`` of the user's configuration alone: who sets
them sees the key."""


@dataclass(frozen=True, slots=True)
class AgentText:
    """Text of the model. ``continues``: it belongs to the piece before it."""

    text: str
    continues: bool = False


@dataclass(frozen=True, slots=True)
class ToolBegan:
    """The agent starts one of its own tools."""

    id: str
    name: str
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolDone:
    """The tool ``id`` ended. ``began``: its start, from agents that report some tools only afterwards."""

    id: str
    text: str
    ok: bool
    began: ToolBegan | None = None


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """The total usage so far; the last one counts."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Speaks:
    """The model that answers."""

    model: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error, perhaps temporary. ``kind``: the agent's own classification."""

    message: str
    kind: FaultKind | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class AgentResult:
    """The agent reports its end. ``text``: its whole answer, where it repeats that."""

    how: Literal["done", "tool_limit", "failed"]
    text: str = ""


AgentRecord = AgentText | ToolBegan | ToolDone | AgentUsage | Speaks | Trouble | AgentResult


@dataclass(frozen=True, slots=True)
class Isolation:
    """How an agent answers a question under our rules only (``isolation.py``)."""

    arguments: Callable[[Connection], Sequence[str]]
    """Without project and user settings, memory files, hooks, skills, plugins, MCP servers and tools."""
    variable: str
    """Names the folder of its configuration."""
    default: str
    """That folder, in the home folder, when ``variable`` is not set."""
    below: str
    """Where its files are, below that folder."""
    logins: tuple[str, ...]
    """The files there that hold its login."""
    accounts: tuple[tuple[str, str], ...] = ()
    """(variable, path in the home folder) of a cloud account that it uses while that variable is set."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """What is set besides."""
    files: Callable[[Path, Mapping[str, str]], Mapping[str, str]] = lambda _config, _env: {}
    """(Folder of the user's configuration, environment) → files to write, by path from ``home/`` or ``review/``."""
    model: Callable[[Path], str] = lambda _config: ""
    """The model that answered, from the folder of its configuration; for an agent that does not print it."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One kind of agent."""

    program: tuple[str, ...]
    """Its usual argv."""
    key: str
    """The variable that gets a configured key."""
    variables: tuple[str, ...]
    """Names that pass into its environment."""
    options: tuple[str, ...]
    """The supported ``Connection.options``."""
    install: str
    """What the user does when it is missing."""
    login: str
    """What the user does when it is not logged in."""
    arguments: Callable[[Connection, Task], Sequence[str]]
    records_of: Callable[[Given], Iterable[AgentRecord]]
    isolation: Isolation
    """How it answers a question."""
    exits: Mapping[int, FaultKind] = field(default_factory=dict[int, "FaultKind"])


def word(record: Given, name: str) -> str:
    """The text ``name`` of a record; empty when it is missing or of another type."""
    value = record.get(name)
    return value if isinstance(value, str) else ""


def record_in(record: Given, name: str) -> Given:
    """The record ``name`` of a record; empty when it is missing or of another type."""
    value = record.get(name)
    return cast("Given", value) if isinstance(value, dict) else {}


def records(record: Given, name: str) -> list[Given]:
    """The records in the list ``name`` of a record."""
    value = record.get(name)
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Given", item) for item in listed if isinstance(item, dict)]


def count(record: Given, name: str) -> int:
    """The count ``name`` of a record; 0 when it is missing or of another type."""
    value = record.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


def content_text(content: object) -> str:
    """The text of a tool's result, which is a text or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    return "\n".join(word(cast("Given", block), "text") for block in blocks if isinstance(block, dict))


def words_of(value: object) -> list[str]:
    """An option that is a text or a list of texts, as a list."""
    if isinstance(value, str):
        return [value]
    listed = cast("list[object]", value) if isinstance(value, list | tuple) else []
    return [str(item) for item in listed]


def list_option(flag: str, value: object) -> list[str]:
    """``flag a,b`` for an option; empty when it is not set."""
    words = words_of(value) if not isinstance(value, int | float) else [str(value)]
    return [flag, ",".join(words)] if words else []
