"""The check that each kind in a table has all of its parts, made when the table is imported."""

from collections.abc import Iterable


def require_parts(what: str, missing: Iterable[tuple[str, str]]) -> None:
    """Raises TypeError that names each ``what`` and the part that it lacks. ``missing``: pairs of both."""
    if faults := [f"the {what} {name!r} lacks {part}" for name, part in missing]:
        raise TypeError("; ".join(faults))
