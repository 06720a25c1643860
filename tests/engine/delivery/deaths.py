"""Every point at which a delivery is killed in these tests: ``python -m tests.engine.delivery.deaths`` counts them.

A point is an event of an operation that was just committed, a function that just returned while the operation was acting, or
the call of the forge, just before and just after it had its effect.
"""

from collections.abc import Mapping, Sequence

EVENTS = ("OperationIntended", "OperationCalled", "OperationObserved")
_CALL = ("before the call", "after the call")

Points = Mapping[str, Sequence[str]]

MERGE: Points = {
    "git.branch": ("git.refs.move", "git.refs.attach"),
    "git.commit": ("git.commits.commit", "git.refs.move", "git.refs.index_follows"),
    "git.push": ("attestations.ref.add", "git.remote.push"),
    "git.merge": ("attestations.ref.add", "git.remote.push", "git.remote.fetch", "git.refs.move"),
    "git.clean": ("git.refs.attach", "git.remote.push", "git.refs.remove"),
}
PULL_REQUEST: Points = {
    "forge.open": _CALL,
    "forge.merge": ("attestations.ref.add", *_CALL),
    "forge.close": _CALL,
}
MILESTONE_MERGED: Points = {
    **MERGE,
    "recovered git.commit": MERGE["git.commit"],
}
MILESTONE_PROPOSED: Points = {
    "git.push": MERGE["git.push"],
    "forge.open": _CALL,
    "forge.merge": _CALL,
    "git.clean": MERGE["git.clean"],
}
DEATHS: Mapping[str, Points] = {
    "one change, merged": MERGE,
    "one change, proposed": PULL_REQUEST,
    "a milestone, merged": MILESTONE_MERGED,
    "a milestone, proposed": MILESTONE_PROPOSED,
}
"""Play → operation → where it dies besides after each of its three events."""


def points(play: str) -> list[tuple[str, str]]:
    """The operation and the point of each death of a play."""
    return [(kind, point) for kind, acts in DEATHS[play].items() for point in (*EVENTS, *acts)]


if __name__ == "__main__":
    for play in DEATHS:
        print(
            f"{len(points(play)):>4}  {play}: {', '.join(f'{kind} {len(acts) + 3}' for kind, acts in DEATHS[play].items())}"
        )
    print(f"{sum(len(points(play)) for play in DEATHS):>4}  in all")
