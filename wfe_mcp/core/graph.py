"""Which phases come before, and which after?"""

from wfe_mcp.core.spec import PhasePath, RunSpec

__all__ = ["downstream", "upstream"]


def upstream(spec: RunSpec, path: PhasePath) -> frozenset[PhasePath]:
    """Every phase that ``path`` transitively needs; without itself."""
    seen: set[PhasePath] = set()
    todo = list(spec.phase(path).needs)
    while todo:
        need = todo.pop()
        if need not in seen:
            seen.add(need)
            todo.extend(spec.phase(need).needs)
    return frozenset(seen)


def downstream(spec: RunSpec, *paths: PhasePath) -> tuple[PhasePath, ...]:
    """``paths`` and every phase that transitively needs one of them, in declared order."""
    return tuple(
        phase.path for phase in spec.phases if phase.path in paths or not upstream(spec, phase.path).isdisjoint(paths)
    )
