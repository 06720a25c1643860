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
        self._ancestors = _closures(self._needs)

    def _needed(self, index: int, needs: tuple[str, ...] | None) -> tuple[int, ...]:
        if needs is None:
            return (index - 1,) if index else ()
        return tuple(self._index[name] for name in needs if name in self._index)

    def index_of(self, name: str) -> int | None:
        """The index of the phase ``name`` (the first, if the name is used twice)."""
        return self._index.get(name)

    def ancestors(self, index: int) -> int:
        """All phases that the one at ``index`` needs, directly or not, as bits; itself when it is in a cycle."""
        return self._ancestors[index]

    def is_before(self, index: int, other: int) -> bool:
        """True when the phase at ``other`` needs the one at ``index``, directly or not."""
        return bool(self._ancestors[other] >> index & 1)

    def can_jump(self, source: int, target: int) -> bool:
        """True when ``target`` is the phase itself or an earlier one: needed, or declared before and not waiting for it."""
        if target == source or self.is_before(target, source):
            return True
        return target < source and not self.is_before(source, target)


def _closures(needs: Sequence[Sequence[int]]) -> list[int]:
    """For each phase everything that it needs, as bits: a set per phase would take n² objects.

    Phases are settled after what they need; those in a cycle, and those that need them, by repetition.
    """
    found = [0] * len(needs)
    followers: list[list[int]] = [[] for _ in needs]
    left = [len(set(direct)) for direct in needs]
    for index, direct in enumerate(needs):
        for need in set(direct):
            followers[need].append(index)
    waiting = [index for index, count in enumerate(left) if not count]
    while waiting:
        need = waiting.pop()
        for index in followers[need]:
            found[index] |= found[need] | 1 << need
            left[index] -= 1
            if not left[index]:
                waiting.append(index)
    stuck = [index for index, count in enumerate(left) if count]
    changed = bool(stuck)
    while changed:
        changed = False
        for index in stuck:
            before = found[index]
            for need in needs[index]:
                found[index] |= found[need] | 1 << need
            changed = changed or found[index] != before
    return found
