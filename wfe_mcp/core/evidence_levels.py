"""What the gates of a run are worth: levels of evidence, and differences to the template's gates.

    claimed    the submission says so; nothing was read or run
    worktree   files were read, or a check ran, in the folder that the agent works in
    checkout   the check ran in a fresh copy of exactly the hashed tree
    sandbox    the same, with nothing else to write to and no network unless it was asked for
    runner     the check ran on another machine

A gate, or the policy of a project or user, demands a minimum of the checks that gates run.
"""

from typing import Literal, get_args

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.spec import GateSpec

Level = Literal["claimed", "worktree", "checkout", "sandbox", "runner"]

LEVELS: tuple[Level, ...] = get_args(Level)
"""From the least to the most."""

_BY_NAME: dict[str, Level] = {one_level: one_level for one_level in LEVELS}


def is_enough(level: Level, minimum: Level | None) -> bool:
    """True when evidence of ``level`` satisfies ``minimum``; None demands nothing."""
    return minimum is None or LEVELS.index(level) >= LEVELS.index(minimum)


def strictest(*minima: Level | None) -> Level | None:
    """The highest of several minima; None where none demands anything."""
    asked = [LEVELS.index(level) for level in minima if level is not None]
    return LEVELS[max(asked)] if asked else None


def level_of(gate: GateSpec, stored: str) -> Level | None:
    """The level of a gate's evidence with this ``stored`` name. None for an approval, which is a decision.

    Evidence from before levels were kept has the level of its kind of gate.
    """
    if gate.kind == "approval":
        return None
    return level_named(stored) or ("worktree" if gate.binds_tree else "claimed")


def level_named(name: object) -> Level | None:
    """The level of this name; None for anything else."""
    return _BY_NAME.get(name) if isinstance(name, str) else None


@dataclass(frozen=True, slots=True)
class GateDifference:
    """One difference."""

    phase: str
    """Empty where it concerns every phase."""
    gate: str
    what: str
    weakens: bool
    """The run's gate asks for less."""
    was: str = ""
    now: str = ""
    key: str = ""
    """The dotted configuration key."""
    source: str = ""
    """Where the key is: a file, a variable or a flag."""
    sha256: str = ""
    """The bytes of that file."""

    @property
    def sentence(self) -> str:
        """``fix: your approval is no longer required (templates.quick_fix.phases.fix.approver in …/config.toml)``."""
        place = f"{self.phase}: " if self.phase else ""
        return f"{place}{self.what}" + (f" ({self.key} in {self.source})" if self.key else "")
