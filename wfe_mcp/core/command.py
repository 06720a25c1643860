"""Base classes of commands."""

from dataclasses import field
from datetime import datetime
from typing import ClassVar

from wfe_mcp.core.calls import Call
from wfe_mcp.core.dataclass import Message
from wfe_mcp.core.model import By
from wfe_mcp.core.paths import PhasePath


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
