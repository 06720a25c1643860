"""Events about the prompt of a phase that its gates judge before work."""

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.event import AttemptEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEdited(AttemptEvent):
    """A person edited the prompt; the gates before work judge it anew. ``prompt``: the document with its text."""

    sha256: str
    prompt: str
