"""A gate of a run that differs from its template's gate, and the configuration that the difference comes from."""

from wfe_mcp.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class GateDifference:
    """One difference. ``phase``: empty where it concerns every phase. ``weakens``: the run's gate asks for less.

    ``key``: the dotted configuration key, in ``source`` (a file, a variable or a flag); ``sha256``: the bytes of that file.
    """

    phase: str
    gate: str
    what: str
    weakens: bool
    was: str = ""
    now: str = ""
    key: str = ""
    source: str = ""
    sha256: str = ""

    @property
    def sentence(self) -> str:
        """``fix: your approval is no longer required (templates.quick_fix.phases.fix.approver in …/config.toml)``."""
        place = f"{self.phase}: " if self.phase else ""
        return f"{place}{self.what}" + (f" ({self.key} in {self.source})" if self.key else "")
