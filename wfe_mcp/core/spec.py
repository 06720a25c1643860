"""The template as the state machine knows it.

A frozen projection: ids, needs, limits and rules. Conditions are opaque text that the engine evaluates
(``questions.py``); prompts, schemas and gate parameters stay in the template. RunStarted keeps the projection, so
that a replay needs neither the template store nor CEL.
"""

from dataclasses import field
from typing import Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.paths import PhasePath, declared_path

CLIENT_ROLE = "client"
"""The role of a new attempt that gives a phase to the connected client."""

COMPLETE = "$complete"
"""The goto target that ends the run."""

SkipPolicy = Literal["never", "human", "agent"]
Assurance = Literal["agent", "client", "human", "passkey"]


@dataclass(frozen=True, slots=True)
class GateSpec:
    """A gate as the machine sees it. ``binds_tree``: its evidence is void when the files change.

    ``people``: how many different people approve the same revision.
    """

    kind: str
    assurance: Assurance = "human"
    expires_s: float | None = None
    binds_tree: bool = False
    people: int = 1


@dataclass(frozen=True, slots=True)
class FailRule:
    """One entry of ``on_fail``."""

    do: Literal["retry", "goto", "wait_human", "block", "fail", "backoff", "pause", "compensate", "subflow"]
    max_uses: int = 1
    """Total attempts of this iteration (retry, backoff), recoveries of it (subflow) or jumps (goto)."""
    goto: PhasePath | None = None
    initial_s: float = 2.0
    max_s: float = 300.0
    stage: Literal["before", "after"] | None = None
    """Which attempts it applies to and counts: failed ``before`` work, at a gate on the prompt, or all others (``after``).

    None: every attempt.
    """
    same_blocker: int = 2
    """Reports of the same blocker in the run that a recovery goes on after; one more ends it."""


@dataclass(frozen=True, slots=True)
class NextRule:
    """One entry of ``next``. ``condition`` None always matches; ``max_uses`` None is bounded by max_iterations only."""

    goto: str
    condition: str | None = None
    max_uses: int | None = None


DEFAULT_ON_FAIL = (FailRule("retry", max_uses=3), FailRule("wait_human"))
"""Design §5: retry up to three attempts, then wait for the user."""


@dataclass(frozen=True, slots=True)
class LoopSpec:
    """How often the phases of a loop run: for each of ``items``, or until a condition holds (``until``), exactly one.

    Both are opaque text. The code that evaluates them sets keys and order. ``flow``: the phases are those of
    another template, and there is one item, which has its inputs. ``outputs``: they become the artifact of the flow.
    """

    items: str | None = None
    max_parallel: int = 1
    on_item_fail: Literal["block", "continue"] = "block"
    until: str | None = None
    until_max: int = 1
    flow: bool = False
    outputs: bool = False


@dataclass(frozen=True, slots=True)
class PhaseSpec:
    """A phase as the machine sees it. Paths here, and the targets of rules, are paths in the template."""

    path: PhasePath
    kind: str = "agent"
    needs: tuple[PhasePath, ...] = ()
    when: str | None = None
    gates_before: tuple[GateSpec, ...] = ()
    gates: tuple[GateSpec, ...] = ()
    on_fail: tuple[FailRule, ...] = DEFAULT_ON_FAIL
    next: tuple[NextRule, ...] = ()
    timeout_s: float | None = None
    skip: SkipPolicy = "human"
    auto_proceed: bool | None = None
    exclusive: bool = False
    """Its gates read the working tree, so the tree is its own."""
    served: bool = False
    """The server works on it (steps, models), not the connected client."""
    goto_only: bool = False
    """It begins only after a jump to it."""
    locks: tuple[str, ...] = ()
    """Names, as opaque texts, that no two phases hold at once."""
    parent: PhasePath | None = None
    """The loop around it."""
    loop: LoopSpec | None = None
    recovery: LoopSpec | None = None
    """Another template that repairs it, with its phases below ``path``."""
    reports_blocker: bool = False
    """Its artifact says what a recovery found to be in the way."""
    begins: str = ""
    """The state of the template's ``states`` that the run is in from when this phase first begins until it has completed."""
    reaches: str = ""
    """The state of the template's ``states`` that the run is in once this phase has completed."""


@dataclass(frozen=True, slots=True)
class StateSpec:
    """One of the template's ``states``, and those it may move to."""

    name: str
    moves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The whole template as the machine sees it; ``phases`` in declared order, those of a loop after it.

    ``initial_state``: the one of the template's ``states`` that a run begins in; empty where it has none.
    ``states``: all of them; none in runs of older versions, whose moves are not checked.
    """

    phases: tuple[PhaseSpec, ...]
    max_parallel: int = 1
    max_iterations: int = 10
    max_invalid: int = 5
    timeout_s: float | None = None
    initial_state: str = ""
    states: tuple[StateSpec, ...] = ()
    index: dict[PhasePath, PhaseSpec] = field(
        init=False, repr=False, compare=False, default_factory=dict[PhasePath, PhaseSpec]
    )
    bodies: dict[PhasePath | None, tuple[PhaseSpec, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict[PhasePath | None, tuple[PhaseSpec, ...]]
    )
    stepped: set[PhasePath] = field(init=False, repr=False, compare=False, default_factory=set[PhasePath])
    """The phases for which the server does steps: their work, or what undoes it."""

    def __post_init__(self) -> None:
        for phase in self.phases:
            self.index[phase.path] = phase
            self.bodies[phase.parent] = (*self.bodies.get(phase.parent, ()), phase)
            if phase.kind == "steps" or any(rule.do == "compensate" for rule in phase.on_fail):
                self.stepped.add(phase.path)

    def phase(self, path: PhasePath) -> PhaseSpec:
        """The phase at ``path``, of the template or of a run; KeyError when there is none."""
        return self.index[declared_path(path)]

    def body(self, loop: PhasePath | None) -> tuple[PhaseSpec, ...]:
        """The phases of a loop; those at the top for None."""
        return self.bodies.get(None if loop is None else declared_path(loop), ())
