"""Selects the files of a snapshot, within limits on untracked files.

tracked + untracked, not ignored    without files over the limits, unreadable, ours, or another repository's
as they are on disk                 also where git stores them differently: a filter, an encoding, line ends

Rules:
1. A file above ``file_bytes`` is left out.
2. If the rest exceeds the limits, whole untracked folders are left out, the biggest first; small ones and single files
   stay.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.files.paths import expanded_path
from wfe_mcp.workspace.git.command import Repository, is_set, run_git, setting, text_of, user_files
from wfe_mcp.workspace.git.file_facts import SIZE, Signature, facts_of
from wfe_mcp.workspace.git.objects import Node
from wfe_mcp.workspace.git.repository import NOT_OURS
from wfe_mcp.workspace.git.working_tree import Look, WorkingTree

Why = Literal["large", "too many", "nested repository", "submodule", "unreadable", "not saved", "sparse"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for untracked files in one snapshot. Tracked files are saved whatever their size."""

    file_bytes: int = 10_000_000
    total_bytes: int = 200_000_000
    files: int = 20_000


class SkippedPath(NamedTuple):
    """A path left out of a snapshot. A ``path`` that ends in a slash is a folder with all below it."""

    path: str
    size_bytes: int
    why: Why


def chosen(
    sizes: Mapping[str, int], tracked: Iterable[str], limits: Limits
) -> tuple[tuple[str, ...], tuple[SkippedPath, ...]]:
    """The untracked paths to save, and those to leave out. ``sizes``: bytes by path; ``tracked``: git's own paths."""
    large = [SkippedPath(path, size, "large") for path, size in sizes.items() if size > limits.file_bytes]
    small = {path: size for path, size in sizes.items() if size <= limits.file_bytes}
    if len(small) <= limits.files and sum(small.values()) <= limits.total_bytes:
        return tuple(small), tuple(sorted(large))
    groups = _folders(small, tracked)
    bytes_of = {name: sum(small[path] for path in paths) for name, paths in groups.items()}

    def share(name: str) -> tuple[float, str]:
        of_files, of_bytes = len(groups[name]) / (limits.files or 1), bytes_of[name] / (limits.total_bytes or 1)
        return max(of_files, of_bytes), name

    kept: list[str] = []
    left: list[SkippedPath] = []
    used = 0
    for name in sorted(groups, key=share):
        if len(kept) + len(groups[name]) <= limits.files and used + bytes_of[name] <= limits.total_bytes:
            kept += groups[name]
            used += bytes_of[name]
        else:
            left.append(SkippedPath(name, bytes_of[name], "too many"))
    return tuple(kept), tuple(sorted([*large, *left]))


def places_of(skipped: Iterable[SkippedPath]) -> frozenset[str]:
    """The paths, for ``is_skipped``."""
    return frozenset(path.path.rstrip("/") for path in skipped)


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


@dataclass(frozen=True, slots=True)
class GatheredFiles:
    """``files``: by path, as they are on disk. ``skipped``: the files left out. ``facts``: signatures of the files."""

    files: Mapping[str, Node]
    skipped: tuple[SkippedPath, ...]
    facts: Mapping[str, Signature]


def gather(tree: WorkingTree, look: Look, limits: Limits, *, has_modes: bool) -> GatheredFiles:
    """The files to save, and what was looked at besides although git ignores it, where a file or link exists.

    ``has_modes``: False where the file system has no executable bit; then git's own mode counts.
    """
    facts = look.facts
    private = _private(look)
    new = [path for path in look.untracked if path in facts and path not in private]
    new += [path for path in look.besides if look.mode(path) and path not in new]
    tracked = [path for path in look.tracked if path in facts]
    nodes = tree.nodes(look)
    kept, over = _within(look, nodes, tracked, new, limits)
    paths = [*over, *(SkippedPath(f"{path}/", 0, "nested repository") for path in look.nested)]
    paths += [SkippedPath(path, 0, "submodule") for path, entry in look.tracked.items() if entry.node.mode == "160000"]
    gone = {skipped_path.path for skipped_path in paths}
    files: dict[str, Node] = {path: look.tracked[path].node for path in left_out(look)}
    for path in kept:
        node = nodes.get(path) if path not in gone else None
        if node is not None:
            files[path] = node if has_modes else node._replace(mode=_git_mode(look, path))
        elif path not in gone and facts_of(tree.root, path):  # a file removed meanwhile is not reported
            paths.append(SkippedPath(path, facts[path][SIZE], "unreadable"))
    return GatheredFiles(files, tuple(sorted(paths)), {path: facts[path] for path in files if path in facts})


def _within(
    look: Look, nodes: Mapping[str, Node], tracked: Sequence[str], new: Sequence[str], limits: Limits
) -> tuple[list[str], tuple[SkippedPath, ...]]:
    """The paths within the limits, and the others. A tracked file with a filter (LFS) counts as untracked: git does not
    store its content. Git is asked for filters only where they could matter for a limit.
    """
    facts = look.facts
    sizes = {path: facts[path][SIZE] for path in new}
    large = [path for path in tracked if facts[path][SIZE] > limits.file_bytes]
    sizes |= {path: facts[path][SIZE] for path in _filtered_paths(look.repo, large)}
    known = look.tracked
    changed = [
        path for path in tracked if path not in sizes and (path not in nodes or nodes[path].oid != known[path].node.oid)
    ]
    total = sum(sizes.values()) + sum(facts[path][SIZE] for path in changed)
    if total > limits.total_bytes or len(sizes) + len(changed) > limits.files:
        sizes |= {path: facts[path][SIZE] for path in _filtered_paths(look.repo, changed)}
    kept, over = chosen(sizes, look.tracked, limits)
    return [*(path for path in tracked if path not in sizes), *kept], over


def _filtered_paths(repo: Repository, paths: Sequence[str]) -> set[str]:
    """Those of ``paths`` that git stores with other content."""
    if not paths:
        return set()
    names = ("filter", "working-tree-encoding", "ident")
    stdin = os.fsencode("".join(f"{path}\0" for path in paths))
    words = text_of(run_git(repo.root, "check-attr", "-z", "--stdin", *names, stdin=stdin)).split("\0")
    attributes = zip(words[0::3], words[1::3], words[2::3], strict=False)
    return {
        path
        for path, name, value in attributes
        if (value == "set" if name == "ident" else value not in {"unset", "set", "unspecified"})
    }


def _private(look: Look) -> set[str]:
    """Untracked files that only the user's own exclude file ignores: these are not saved."""
    if not look.untracked:
        return set()
    repo = look.repo
    chosen_file = setting(repo.root, "core.excludesfile", "", repo=repo)
    excludes = [
        repo.common / "info" / "exclude",
        *([expanded_path(chosen_file)] if chosen_file else map(Path, user_files("ignore"))),
    ]
    if not any(map(_has_rules, excludes)):
        return set()
    listed = text_of(run_git(repo.root, "ls-files", "-o", "--exclude-standard", "-z", "--", ".", NOT_OURS))
    return set(look.untracked) - set(listed.split("\0"))


def _has_rules(place: Path) -> bool:
    try:
        lines = place.read_bytes().splitlines()
    except OSError:
        return False
    return any(line.strip() and not line.startswith(b"#") for line in lines)


def _git_mode(look: Look, path: str) -> str:
    mode = look.mode(path)
    if mode == "120000":
        return mode
    return look.tracked[path].node.mode if path in look.tracked else "100644"


def left_out(look: Look) -> list[str]:
    """Absent paths that a sparse checkout has left out. A checkpoint keeps them with their index entry; a tree does not."""
    absent = [path for path, entry in look.tracked.items() if entry.is_left_out and path not in look.facts]
    return absent if absent and is_set(look.repo.root, "core.sparsecheckout", "false") else []
