"""The order of the steps of a phase: which ones a step needs.

``needs`` names earlier steps of the list, so that no cycle is possible; absent, it is the step before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.workflow.model.steps import Step


def needed_steps(steps: Sequence[Step], index: int) -> tuple[int, ...]:
    """The positions of the steps that must end before the step at ``index``; names that are no earlier step are left out."""
    many = steps[index].needs
    if many is None:
        return (index - 1,) if index else ()
    return tuple(at for at in range(index) if steps[at].id in many) if many else ()


def upstream(steps: Sequence[Step]) -> list[int]:
    """For each step the steps that have ended when it begins, as bits: those it needs, and what they need."""
    positions: list[int] = []
    for index in range(len(steps)):
        positions.append(0)
        for at in needed_steps(steps, index):
            positions[index] |= positions[at] | 1 << at
    return positions


def results_seen(steps: Sequence[Step], index: int) -> set[str]:
    """The ids of the steps whose results the step at ``index`` sees."""
    bits = upstream(steps[: index + 1])[index]
    return {step.id for at, step in enumerate(steps[:index]) if bits >> at & 1}
