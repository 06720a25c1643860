"""How callers name a command."""

from typing import Literal

from wfe_mcp.core.dataclass import dataclass

Caller = Literal["agent", "human", "server"]


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
