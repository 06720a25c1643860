"""Events about the record itself: what a change wrote beside the log, and who signed it."""

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.event import Event
from wfe_mcp.core.model import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsKept(Event):
    """These records were written, or changed, together with the events that follow. The state stays as it is."""

    records: tuple[Kept, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSigned(Event):
    """A person's key signed the events before this one, of the same transaction. The state stays as it is.

    ``statement``: canonical JSON of what was decided, with the log's position and hash before and after it.
    """

    statement: str
    signature: str
