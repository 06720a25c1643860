"""Limits on untracked files in a snapshot; omitted files are reported.

Rules:
1. A file above ``file_bytes`` is left out.
2. If the rest exceeds the limits, whole untracked folders are left out, the biggest first; small ones and single files
   stay.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from wfe_mcp.core.dataclass import dataclass

Why = Literal["large", "too many", "nested repository", "submodule", "unreadable", "not saved", "sparse"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for untracked files in one snapshot. Tracked files are saved whatever their size."""

    file_bytes: int = 10_000_000
    total_bytes: int = 200_000_000
    files: int = 20_000


class Skipped(NamedTuple):
    """A path left out of a snapshot. A ``path`` that ends in a slash is a folder with all below it."""

    path: str
    size_bytes: int
    why: Why


def chosen(
    sizes: Mapping[str, int], tracked: Iterable[str], limits: Limits
) -> tuple[tuple[str, ...], tuple[Skipped, ...]]:
    """The untracked paths to save, and those to leave out. ``sizes``: bytes by path; ``tracked``: git's own paths."""
    large = [Skipped(path, size, "large") for path, size in sizes.items() if size > limits.file_bytes]
    small = {path: size for path, size in sizes.items() if size <= limits.file_bytes}
    if len(small) <= limits.files and sum(small.values()) <= limits.total_bytes:
        return tuple(small), tuple(sorted(large))
    groups = _folders(small, tracked)
    bytes_of = {name: sum(small[path] for path in paths) for name, paths in groups.items()}

    def share(name: str) -> tuple[float, str]:
        of_files, of_bytes = len(groups[name]) / (limits.files or 1), bytes_of[name] / (limits.total_bytes or 1)
        return max(of_files, of_bytes), name

    kept: list[str] = []
    left: list[Skipped] = []
    used = 0
    for name in sorted(groups, key=share):
        if len(kept) + len(groups[name]) <= limits.files and used + bytes_of[name] <= limits.total_bytes:
            kept += groups[name]
            used += bytes_of[name]
        else:
            left.append(Skipped(name, bytes_of[name], "too many"))
    return tuple(kept), tuple(sorted([*large, *left]))


def places_of(skipped: Iterable[Skipped]) -> frozenset[str]:
    """The paths, for ``is_skipped``."""
    return frozenset(each.path.rstrip("/") for each in skipped)


def is_skipped(path: str, places: frozenset[str]) -> bool:
    """True when the path, or a folder above it, was left out."""
    return bool(places) and (path in places or any(path[:end] in places for end in _ends(path)))


def _folders(paths: Iterable[str], tracked: Iterable[str]) -> dict[str, list[str]]:
    """The paths by the highest folder without tracked files; a path without such a folder by itself."""
    held = {path[:end] for path in tracked for end in _ends(path)}
    groups: dict[str, list[str]] = {}
    for path in paths:
        own = next((f"{path[:end]}/" for end in _ends(path) if path[:end] not in held), path)
        groups.setdefault(own, []).append(path)
    return groups


def _ends(path: str) -> list[int]:
    """The end position of each folder name in ``path``."""
    return [at for at, character in enumerate(path) if character == "/"]
