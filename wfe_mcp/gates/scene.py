"""What the judge of a gate may read."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.gates.judgement import Judgement
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
class FoundClaim:
    """A claim after its tests. ``why``: what keeps it from holding; empty where it holds. ``tests``: outcome by name.

    ``results``: what shows each outcome, with the program, the output and the files that it is about.
    """

    id: str
    title: str
    why: str
    is_error: bool
    tests: Mapping[str, str]
    results: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ClaimsFound:
    """The claims of a run. ``is_needed``: the project requires one. ``waits``: the trust that their checks wait for."""

    claims: Sequence[FoundClaim]
    is_needed: bool = False
    waits: Judgement | None = None


class Base(NamedTuple):
    """The base branch. ``tip``: its commit, which the server itself fetched from the address that a person trusts.

    ``remedy``: what makes that possible where it is not; ``tip`` is then what the repository names, and proves nothing but
    what ``has_merged`` knows: whether runs of the project brought the base from one commit to another.
    """

    name: str
    tip: str
    remedy: str = ""
    has_merged: Callable[[str, str], bool] = lambda _since, _commit: False


class BaseFiles(NamedTuple):
    """The changed ``paths``, as texts, that the base ``name`` brought between its commits ``since`` and ``commit``.

    ``merged``: those that are what git's merge makes of that and of the file at the start. ``both``: those that the base changed
    too, and that are neither: they count. ``remedy``: see ``Base``.
    """

    name: str
    since: str
    commit: str
    paths: Sequence[str]
    merged: Sequence[str]
    both: Sequence[str]
    remedy: str

    @property
    def all_paths(self) -> list[str]:
        """All that is not counted."""
        return sorted({*self.paths, *self.merged})


@dataclass(frozen=True, slots=True)
class GateScene:
    """What a gate may read that a job judges. Programs run through ``run``, which ends them with the gate."""

    root: Path
    """The project."""
    settings: Mapping[str, Any]
    """Of a package's gate: its ``with``, expressions evaluated."""
    artifact: Mapping[str, Any] | None
    """The submitted revision; None before work."""
    tree_at_start: str | None
    """The tree at the attempt's start; None without git."""
    head_at_start: str | None
    """The commit at the attempt's start; None without git."""
    evidence: Path
    """The folder for its logs."""
    environ: Mapping[str, str]
    run_child: RunChild
    tree_at_run_start: str | None = None
    """The tree at the run's start; None without git."""
    ignored: tuple[str, ...] = ()
    """Globs of what the phase's own checks write."""
    tree_now: str | None = None
    """The tree as it is, where it was hashed for this gate."""
    present: frozenset[str] = frozenset()
    """Those of the gate's ``exist`` that are files of ``tree_now``, and no links: the disk is not asked again."""
    attached: frozenset[tuple[str, str]] = frozenset()
    """Name and sha256 of the files attached to the run."""
    allowed_by: str = ""
    """The input of the run whose globs are the gate's ``within``; empty where the template has them."""
    rollback: str = ""
    """The call that restores the files of the phase's start; empty without a run."""
    base: Callable[[], Base | None] | None = None
    """Asks the remote for the base of the project; None where no network may be used."""
    head_at_run_start: str | None = None
    """The commit at the run's start; None where it is not known."""
    claims: Callable[[str], ClaimsFound] | None = None
    """Tests the claims of the run for a stage; None where no claim can be tested."""

    def run(self, argv: Sequence[str], *, timeout_s: float = 600.0, log: str = "gate.log") -> ChildResult:
        """Run a program in the project, with the environment of a check. ``log``: file name for its whole output."""
        self.evidence.mkdir(parents=True, exist_ok=True)
        place = self.evidence / Path(log).name
        return self.run_child(
            argv, cwd=self.root, env=child_env((), self.environ), timeout_s=timeout_s, log_path=place.absolute()
        )
