"""The order of the phases in one list, from their ``needs``.

needs absent     the phase before it in the list        needs []   at once        names siblings only
ancestors        everything a phase needs, directly or not: what has certainly ended before it starts
"""

from collections.abc import Sequence

from wfe_mcp.workflow.model import Phase


class Order:
    """The phases of one list by index. Names that are unknown are left out; a cycle ends where it closes."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        self.phases = tuple(phases)
        self.ids = tuple(phase.id for phase in phases)
        self._index = {name: index for index, name in reversed(list(enumerate(self.ids)))}
        self._needs = [self._needed(index, phase.needs) for index, phase in enumerate(phases)]
        self._ancestors = [self._all_before(index) for index in range(len(phases))]

    def _needed(self, index: int, needs: tuple[str, ...] | None) -> tuple[int, ...]:
        if needs is None:
            return (index - 1,) if index else ()
        return tuple(self._index[name] for name in needs if name in self._index)

    def _all_before(self, index: int) -> frozenset[int]:
        found: set[int] = set()
        waiting = list(self._needs[index])
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self._needs[one]
        return frozenset(found)

    def index_of(self, name: str) -> int | None:
        """The index of the phase ``name`` (the first, if the name is used twice)."""
        return self._index.get(name)

    def ancestors(self, index: int) -> frozenset[int]:
        """All phases that the one at ``index`` needs, directly or not; itself when it is in a cycle."""
        return self._ancestors[index]

    def can_jump(self, source: int, target: int) -> bool:
        """True when ``target`` is the phase itself or an earlier one: needed, or declared before and not waiting for it."""
        if target == source or target in self._ancestors[source]:
            return True
        return target < source and source not in self._ancestors[target]
