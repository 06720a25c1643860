"""What the judges of gates read, without an engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfe_mcp.gates.scene import GateScene
from wfe_mcp.workflow.expressions import Expressions


@dataclass(frozen=True)
class Submitted:
    """A submitted artifact, and the values of the expressions about it."""

    artifact: object = None
    phase_role: str | None = None
    values: dict[str, Any] | None = None

    def is_true(self, condition: str) -> bool:
        return Expressions().is_true(condition, self.values or {})

    def value(self, source: str) -> object:
        return Expressions().value(source, self.values or {})

    def text(self, text: str) -> str:
        return str(Expressions().evaluate(text, self.values or {}))


def gate_scene(
    root: Path,
    *,
    tree: str | None = None,
    head: str | None = None,
    run: str | None = None,
    ignored: str = "",
    attached: frozenset[tuple[str, str]] = frozenset(),
    allowed_by: str = "",
) -> GateScene:
    """A scene in ``root``. ``tree``, ``head``: git at the attempt's start; ``run``: at the run's."""

    def no_program(*_: object, **__: object) -> Any:
        raise AssertionError("this gate starts no program")

    globs = tuple(ignored.split())
    folder = root / ".wfe/runs/r/build/1/evidence"
    return GateScene(
        root, {}, None, tree, head, folder, {}, no_program, run, globs, attached=attached, allowed_by=allowed_by
    )
