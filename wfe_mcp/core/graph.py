"""The order of phases: upstream, downstream, and where a jump can lead.

For paths of a run, and for those of the template outside loops. The neighbours of a phase are in its own item.
"""

from wfe_mcp.core.paths import PhasePath, item_of, name_of, seen_from
from wfe_mcp.core.spec import COMPLETE, RunSpec


def upstream(spec: RunSpec, path: PhasePath) -> frozenset[PhasePath]:
    """Every phase of the same item that ``path`` transitively needs; without itself."""
    paths: set[PhasePath] = set()
    todo = [path]
    while todo:
        needs = {seen_from(path, need) for need in spec.phase(todo.pop()).needs} - paths
        paths |= needs
        todo += needs
    return frozenset(paths)


def around(spec: RunSpec, path: PhasePath) -> frozenset[PhasePath]:
    """What ``path`` transitively needs in its item, then what each loop around it does."""
    item, paths = item_of(path), upstream(spec, path)
    return paths if item is None else paths | around(spec, item[0])


def outwards(spec: RunSpec, path: PhasePath) -> frozenset[PhasePath]:
    """Where a jump from ``path`` can lead: what it needs in its item, what its rules name, then the same around each loop,
    and these loops.
    """
    paths = upstream(spec, path) | _targets(spec, path)
    item = item_of(path)
    return paths if item is None else paths | {item[0]} | outwards(spec, item[0])


def _targets(spec: RunSpec, path: PhasePath) -> frozenset[PhasePath]:
    phase = spec.phase(path)
    named = (*(rule.goto for rule in phase.next if rule.goto != COMPLETE), *(rule.goto for rule in phase.on_fail))
    return frozenset(seen_from(path, PhasePath(goto)) for goto in named if goto)


def meant_by(spec: RunSpec, path: PhasePath, name: str) -> PhasePath:
    """What a jump from ``path`` to ``name`` means: an id is looked up in its item, then outwards; else a path as it is."""
    # Sorted by depth: the same id can be around a flow too, and the nearest is meant.
    paths = sorted(outwards(spec, path), key=lambda target: target.count("."))
    seen = {name_of(target): target for target in (*paths, path)}
    return seen.get(name, PhasePath(name))


def downstream(spec: RunSpec, *paths: PhasePath) -> tuple[PhasePath, ...]:
    """``paths``, all of one item, and every phase of it that transitively needs one of them, in declared order."""
    if not paths:
        return ()
    siblings = {seen_from(paths[0], phase.path): phase for phase in spec.body(spec.phase(paths[0]).parent)}
    dependants: dict[PhasePath, list[PhasePath]] = {}
    for path, phase in siblings.items():
        for need in phase.needs:
            dependants.setdefault(seen_from(path, need), []).append(path)
    reached, todo = set(paths), [*paths]
    while todo:
        later = set(dependants.get(todo.pop(), ())) - reached
        reached |= later
        todo += later
    return tuple(path for path in siblings if path in reached)
