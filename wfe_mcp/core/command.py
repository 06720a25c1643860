"""Base classes of commands, and how callers name them."""

from dataclasses import field
from datetime import datetime
from typing import ClassVar, Literal

from wfe_mcp.core.dataclass import Message, dataclass
from wfe_mcp.core.model import By, Channel
from wfe_mcp.core.paths import PhasePath

Caller = Literal["agent", "human", "server"]

PROGRAMS = frozenset({Channel.MCP, Channel.HTTP, Channel.INCOMING, Channel.SCHEDULE})
"""The channels that no person is behind, besides the server's own."""


@dataclass(frozen=True, slots=True)
class Call:
    """How a caller names a command: ``verb`` in a sentence, the MCP ``tool`` (empty: none), the CLI ``command``.

    ``callers``: who may ever give it; the guards say when. ``action``: the argument of ``control_run``.
    """

    verb: str
    tool: str
    command: str
    callers: tuple[Caller, ...] = ("agent", "human")
    action: str = ""


class Command(metaclass=Message):
    """The base: caller and time.

    ``call``: how a caller names it; without one the server alone gives it. Commands that need more than the state of one
    run (inputs, a moment of the log) have none: no list of legal moves has them.
    """

    call: ClassVar[Call] = Call("", "", "", callers=("server",))
    by: By = field(default_factory=By)
    at: datetime


class PhaseCommand(Command):
    """A command on the current attempt of a phase. ``attempt`` None means the open one."""

    phase: PhasePath
    attempt: int | None = None
