"""From which attempts of a run something may follow.

Every event asks, and of hundreds of phases nearly all wait or are over: for those that wait no function is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from wfe_mcp.core.attempt_states import AttemptState, AttemptStatus, Completed, Pending, Skipped
from wfe_mcp.core.paths import PhasePath, declared_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wfe_mcp.core.spec import PhaseSpec


class _Try(Protocol):
    """An attempt, as far as this asks."""

    @property
    def phase(self) -> PhasePath: ...
    @property
    def state(self) -> AttemptState: ...


_T = TypeVar("_T", bound=_Try)


def is_settled(now: AttemptState) -> bool:
    """True when the phases that need it can start: completed, past its ``next`` rules and not held, or skipped."""
    return now.judged and not now.held if isinstance(now, Completed) else isinstance(now, Skipped)


def moving(
    among: Iterable[_T],
    attempts: Mapping[PhasePath, Sequence[_T]],
    index: Mapping[PhasePath, PhaseSpec],
    needs: Callable[[PhasePath], Iterable[PhasePath]],
) -> Iterator[_T]:
    """Those that are not over and do not wait for other phases; with what is over and reports a blocker.

    ``attempts``: of each phase, the newest last. ``index``: the phases of the template. ``needs``: those of a phase in an item.
    """
    for attempt in among:
        now, path = attempt.state, attempt.phase
        if isinstance(now, Pending) and now.not_before is None:
            for need in index[path].needs if path in index else needs(path):
                other = attempts[need][-1].state
                if isinstance(other, Pending) or not is_settled(other):
                    break
            else:
                yield attempt
        elif (not is_settled(now) and now.status is not AttemptStatus.CANCELLED) or index[
            declared_path(path)
        ].reports_blocker:
            yield attempt
