"""Something that needs the user's trust."""

from wfe_mcp.core.dataclass import dataclass

OWN = "own"
"""The name of the user's own configuration."""


@dataclass(frozen=True, slots=True)
class PendingTrust:
    """Something that needs trust. ``name`` is what ``wfe-mcp trust NAME`` takes.

    ``kind``: configuration, own configuration, approvers or template. ``key`` and ``sha256``: what trust is kept under.
    """

    name: str
    kind: str
    key: str
    sha256: str
    where: str
