"""What every kind of gate states beside its keys, and the check that none is left out."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, Protocol, get_args

from wfe_mcp.core.evidence_levels import Level
from wfe_mcp.core.parts import require_parts
from wfe_mcp.workflow.model.base import Shape, optional


class GateLint(Protocol):
    """What the rules of one gate ask about its template and project. ``at``: a pointer below the gate."""

    @property
    def is_before_work(self) -> bool:
        """Whether the gate judges the prompt."""
        ...

    def error(self, at: str, message: str, expected: object = None, got: object = None) -> None:
        """The template cannot run."""
        ...

    def warn(self, at: str, message: str) -> None:
        """It can run, but probably not as intended."""
        ...

    def needs_check(self, at: str, check: str, *, optional: bool = False) -> None:
        """The project must have the check."""
        ...

    def needs_role(self, at: str, role: str | None, *, of_model: bool = False) -> None:
        """The template must declare the role. ``of_model``: and name a provider for it."""
        ...

    def needs_inside(self, at: str, globs: Iterable[str]) -> None:
        """The globs must stay in the project."""
        ...

    def needs_package(self, use: str, settings: Mapping[str, Any]) -> None:
        """An installed package must provide the gate ``use`` and accept its ``with``."""
        ...

    def can_have(self, field: str) -> bool:
        """Whether the submitted artifact can have the field."""
        ...


class GateShape(Shape):
    """The base of all kinds.

    ``judged``: ``inline``, in the transaction of the submission, which reads nothing but the database; the queue of the
    job that judges; or ``person``. ``tree``: whether the gate does not use the working tree, ``reads`` it (its evidence
    becomes void when the files change), needs it ``alone``, or ``runs`` programs in it, which may change files.
    ``label``: what the gate is called in a listing; ``{key}`` is the value of a key. ``with_git``: the keys that compare with
    an earlier state of the files, or are about the repository. ``configured_by``: a key of the gate, with the configuration
    keys that change it, the first that is there; "" is the gate and its other keys. One with a dot is whole, any other is
    of the phase.
    """

    effect = "gates"
    judged: ClassVar[Literal["inline", "command", "llm", "person"]]
    tree: ClassVar[Literal["unused", "reads", "alone", "runs"]]
    label: ClassVar[str]
    with_git: ClassVar[tuple[str, ...]]
    configured_by: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]]

    delivery: Literal["with", "without"] | None = optional(
        None,
        "Where the gate is: only in projects that deliver changes (`with`), or only in others (`without`).",
        example="without",
    )

    @property
    def needs_git(self) -> bool:
        """Whether one of its keys needs git."""
        return not self.model_fields_set.isdisjoint(self.with_git)

    @classmethod
    def evidence_level(cls) -> Level | None:
        """The level of evidence that the gate gives by itself; None for a decision of a person."""
        if cls.judged == "person":
            return None
        return "claimed" if cls.tree == "unused" else "worktree"


def by_kind(models: Iterable[type[GateShape]]) -> Mapping[str, type[GateShape]]:
    """The kinds by name. Raises TypeError that names a kind and the part that it lacks."""
    kinds = {str(get_args(model.model_fields["kind"].annotation)[0]): model for model in models}
    require_parts("gate kind", ((kind, part) for kind, model in kinds.items() for part in _missing(model)))
    return kinds


def _missing(model: type[GateShape]) -> Iterator[str]:
    yield from (
        part for part in ("judged", "tree", "label", "with_git", "configured_by", "lint") if not hasattr(model, part)
    )
    if model.__doc__ is None:
        yield "a docstring"
    for name, info in model.model_fields.items():
        if not info.description:
            yield f"the meaning of {name!r}"
        if not info.examples and name != "kind":
            yield f"an example of {name!r}"
