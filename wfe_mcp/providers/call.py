"""The types that all providers share: connections, questions, tasks, answers, usage, listeners and faults.

    ask    one question, one typed answer, no tools       Connection, Question  → Answer
    work   a task with tools until its output is there    Connection, Task      → Worked

Rules:
1. A provider's failure is a ``ProviderFault`` with a kind of the closed list ``FAULTS``, never the SDK's own error.
2. Every call to a model is announced (``before_call``) and reported (``after_call``), without exception.
3. A key is in ``Connection`` only; no message, repr, hint or log contains it.
4. The caller stops a call with ``should_stop``, which is polled several times a second in the thread of the call. ``ask``
   then ends with the fault ``stopped``, ``work`` with the ending ``cancelled``.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal, Protocol, cast, get_args

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.texts import clean
from wfe_mcp.workspace.config.provider_kinds import FsAbility, ProviderKind

FaultKind = Literal[
    "wrong_key",
    "wrong_model",
    "no_route",
    "tls",
    "rate_limited",
    "overloaded",
    "timeout",
    "unparsable",
    "refused",
    "not_installed",
    "not_configured",
    "stopped",
    "other",
]

FAULTS: tuple[FaultKind, ...] = get_args(FaultKind)
PASSING = frozenset[FaultKind]({"no_route", "rate_limited", "overloaded", "timeout"})
"""The kinds of failure after which the same call may succeed later without any change."""

MOST_COUNT = 2**31 - 1
"""The largest count of a call that PostgreSQL keeps."""
_MOST_COST_USD = 1e9
MOST_WAIT_S = 7 * 86_400.0
"""The longest delay that a provider can request; a header may have any number."""

ShouldStop = Callable[[], bool]
"""True once the answer is no longer wanted."""


def never() -> bool:
    """A ``should_stop`` that is always False."""
    return False


@dataclass(frozen=True, slots=True)
class Connection:
    """A provider, configured for a call."""

    provider: str
    """Its configured name."""
    kind: ProviderKind
    model: str = ""
    """The vendor's name of the model; ``""`` for the default of a CLI agent."""
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    """None is the vendor's own."""
    proxy: str = ""
    """The way to it; empty: directly."""
    ca_file: str = ""
    """The file of the authorities that its certificate may have; empty: the system's."""
    allow: tuple[str, ...] = ()
    """Origins of ``[http] allow``, which may be reached over plain http, as loopback may."""
    connect_s: float = 10.0
    response_s: float = 300.0
    """The longest pause within an answer."""
    total_s: float = 1_800.0
    """The longest duration of one call."""
    max_tokens: int = 8_192
    temperature: float | None = None
    argv: tuple[str, ...] = ()
    """The program of a CLI agent and its first arguments; empty is the program's usual name."""
    fs_ability: FsAbility = "none"
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Settings of a single kind (``permission_mode``, ``sandbox``, …)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls used. Tokens are the provider's own count, 0 where a call broke off before it reported one.

    ``input_tokens`` includes the cached ones. ``cost_usd``: only where the provider reports it. A count that no call can have
    is the nearest one that a row of the log can, and a cost that none can have is none.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None

    def __post_init__(self) -> None:
        for name in ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
            count: object = getattr(self, name)  # a package may state anything
            object.__setattr__(self, name, max(0, min(int(count), MOST_COUNT)) if isinstance(count, int) else 0)
        cost = cast("object", self.cost_usd)
        is_cost = isinstance(cost, (int, float)) and 0 <= cost <= _MOST_COST_USD
        object.__setattr__(self, "cost_usd", float(cast("float", cost)) if is_cost else None)

    def __add__(self, other: "Usage") -> "Usage":
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            sum(costs) if costs else None,
        )


_NOTHING = Usage()


class ProviderFault(Exception):
    """A provider failed. ``message`` says what happened, ``hint`` what to do next.

    ``retry_after_s``: the delay that the provider requested, in seconds. ``usage``: what was used nevertheless.
    """

    def __init__(
        self,
        kind: FaultKind,
        message: str,
        hint: str = "",
        *,
        retry_after_s: float | None = None,
        usage: Usage = _NOTHING,
    ) -> None:
        self.message, self.hint = clean(message), clean(hint)  # they may quote any answer, and rows keep them
        super().__init__(self.message)
        self.kind: FaultKind = kind
        self.retry_after_s = retry_after_s
        self.usage = usage

    @property
    def passes(self) -> bool:
        """True when the same call may succeed later."""
        return self.kind in PASSING


@dataclass(frozen=True, slots=True)
class Image:
    """An image that belongs to a question. ``media_type``: such as ``image/png``."""

    content: bytes = field(repr=False)
    media_type: str = "image/png"


@dataclass(frozen=True, slots=True)
class Question:
    """One question. ``schema``: the JSON Schema of the answer, its root an object; None: any text."""

    prompt: str
    system: str = ""
    schema: Mapping[str, Any] | None = None
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question. ``value`` is set exactly when the question had a schema; it is not yet validated."""

    text: str
    value: dict[str, Any] | None
    usage: Usage
    model: str
    source: Mapping[str, str] = field(default_factory=dict[str, str])
    """Who answered: ``address`` and ``proxy``, or each file of the program → its SHA-256."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returns to the model. ``ok`` False: a refusal, after which the model continues."""

    text: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a model may call. ``parameters``: a JSON Schema, its root an object.

    ``run`` is called in a separate thread, one tool at a time; an exception is reported to the model like a refusal. When
    the work stops, it should end within a few seconds.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    run: Callable[[dict[str, Any]], ToolResult]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a tool loop.

    ``context_tokens``: the model's window. Above ``context_share`` of it, older tool results are replaced by a line that
    says what was left out; the task, the schema and the last error never are. ``invalid_outputs``: how many outputs that
    ``Task.validate`` rejects are returned to the model.
    """

    tool_calls: int = 100
    requests: int = 60
    invalid_outputs: int = 3
    total_s: float | None = None
    context_tokens: int = 200_000
    context_share: float = 0.6


@dataclass(frozen=True, slots=True)
class Task:
    """Work for a model with tools. ``schema``: of the output, its root an object.

    ``validate``: the errors of an output, a line each; the model gets them and tries again. ``is_text``: the output
    ``{"text": …}`` is what the model says last; providers that can stream do, the others submit it as an object.
    """

    prompt: str
    schema: Mapping[str, Any]
    system: str = ""
    tools: tuple[Tool, ...] = ()
    limits: Limits = Limits()
    validate: Callable[[dict[str, Any]], list[str]] | None = None
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Worked:
    """How a task ended. Only ``done`` carries a ``value``.

    ``text`` is a partial result: the model's last text, or its last invalid output. ``why``: what ended the task, in a
    sentence; empty for ``done``.
    """

    ending: Literal["done", "tool_limit", "timed_out", "cancelled", "no_answer"]
    value: dict[str, Any] | None
    text: str
    usage: Usage
    model: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the next call may use at most, in tokens."""

    input_tokens: int
    output_tokens: int


class Listener(Protocol):
    """Receives the events of a call, in the thread of the call. ``before_call`` may raise to prevent the call.

    Each ``before_call`` that returns is followed by exactly one ``after_call``.
    """

    def before_call(self, connection: Connection, estimate: Estimate) -> None:
        """A model is about to be called."""
        ...

    def after_call(self, connection: Connection, usage: Usage, fault: ProviderFault | None) -> None:
        """The model answered, or failed."""
        ...

    def said(self, text: str) -> None:
        """A piece of text of the model, or of the output that it hands in."""
        ...

    def tool_started(self, call_id: str, name: str, given: Mapping[str, Any]) -> None:
        """A tool starts."""
        ...

    def tool_ended(self, call_id: str, name: str, result: ToolResult, duration_s: float) -> None:
        """A tool ended; ``call_id`` is that of its start."""
        ...


class Silent:
    """A listener that does nothing."""

    def before_call(self, connection: Connection, estimate: Estimate) -> None:
        """Do nothing."""

    def after_call(self, connection: Connection, usage: Usage, fault: ProviderFault | None) -> None:
        """Do nothing."""

    def said(self, text: str) -> None:
        """Do nothing."""

    def tool_started(self, call_id: str, name: str, given: Mapping[str, Any]) -> None:
        """Do nothing."""

    def tool_ended(self, call_id: str, name: str, result: ToolResult, duration_s: float) -> None:
        """Do nothing."""
