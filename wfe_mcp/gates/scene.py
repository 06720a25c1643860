"""What the judge of a gate may read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.jobs.child import ChildResult, RunChild
from wfe_mcp.jobs.environment import child_env


class Submission(Protocol):
    """What a gate may read that is judged inline: nothing outside the database.

    Evaluation raises ExpressionError.
    """

    @property
    def artifact(self) -> object:
        """The submitted revision; None before work."""
        ...

    @property
    def phase_role(self) -> str | None:
        """The role of the phase."""
        ...

    def is_true(self, condition: str) -> bool:
        """The value of a condition."""
        ...

    def value(self, source: str) -> object:
        """The value of CEL source."""
        ...

    def text(self, text: str) -> str:
        """A text with its ``${…}`` evaluated."""
        ...


@dataclass(frozen=True, slots=True)
class GateScene:
    """What a gate may read that a job judges.

    ``root``: the project. ``settings``: of a package's gate its ``with``, expressions evaluated. ``artifact``: the
    submitted revision, None before work. ``tree_at_start``, ``head_at_start``: git at the attempt's start, None without
    git; ``tree_at_run_start``: at the run's. ``evidence``: the folder for its logs. ``ignored``: globs of what the
    phase's own checks write. Programs run through ``run``, which ends them with the gate.
    """

    root: Path
    settings: Mapping[str, Any]
    artifact: Mapping[str, Any] | None
    tree_at_start: str | None
    head_at_start: str | None
    evidence: Path
    environ: Mapping[str, str]
    run_child: RunChild
    tree_at_run_start: str | None = None
    ignored: tuple[str, ...] = ()

    def run(self, argv: Sequence[str], *, timeout_s: float = 600.0, log: str = "gate.log") -> ChildResult:
        """Run a program in the project, with the environment of a check. ``log``: file name for its whole output."""
        self.evidence.mkdir(parents=True, exist_ok=True)
        place = self.evidence / Path(log).name
        return self.run_child(
            argv, cwd=self.root, env=child_env((), self.environ), timeout_s=timeout_s, log_path=place.absolute()
        )
