"""How callers name a command."""

from typing import Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Channel

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
