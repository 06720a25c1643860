"""The files of a snapshot and their bytes.

tracked + untracked, not ignored    less what is over the limits, unreadable, ours, or another repository's
as they lie on the disk             also where git keeps something else of them: a filter, an encoding, line ends
"""

import os
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from wfe_mcp.workspace.git.command import run_git, text_of
from wfe_mcp.workspace.git.index_copy import IndexEntry, entries_of, is_ours, unhide, untracked_of
from wfe_mcp.workspace.git.snapshot_limits import Limits, Skipped, chosen
from wfe_mcp.workspace.git.snapshot_repository import Bench, facts_of, is_true, size_of

__all__ = ["Gathered", "gather", "update"]

_MANY = 200
"""So many new files go into one pack instead of a file each, which takes five times as long."""
_CONVERTING = {"text", "crlf", "eol", "ident", "filter", "working-tree-encoding"}


@dataclass(frozen=True, slots=True)
class Gathered:
    """``skipped``: what is left out; ``paths``: what is not. ``dropped``, ``put``: what the copy of the index has to learn."""

    skipped: tuple[Skipped, ...]
    paths: set[str]
    dropped: list[str]
    put: list[str]


def gather(bench: Bench, limits: Limits, besides: Sequence[str]) -> Gathered:
    """How the work tree differs from the copy of the index; ``update`` brings that up to it.

    ``besides``: paths to save although git ignores them, where a file or link stands there.
    """
    root = bench.repo.root
    with ThreadPoolExecutor(1) as pool:  # what is untracked is asked meanwhile: a third of a checkpoint's time
        asking = pool.submit(untracked_of, bench.theirs)
        entries = entries_of(bench.theirs)
        tracked = {entry.path: entry for entry in entries}
        filtered, others = _converted(bench, entries)
        found = [path for path in asking.result() if not is_ours(path)]
    unhide(bench.theirs, root, entries, is_sparse=is_true(bench.config.get("core.sparsecheckout", "false")))
    left = [Skipped(path, 0, "nested repository") for path in found if path.endswith("/")]
    left += [Skipped(path, 0, "submodule") for path, entry in tracked.items() if entry.mode == "160000"]
    new = {path: facts.st_size for path in found if not path.endswith("/") and (facts := facts_of(root, path))}
    forced = [path for path in besides if path not in tracked and path not in new and not is_ours(path)]
    new |= {path: facts.st_size for path in forced if (facts := facts_of(root, path)) and _is_file_or_link(facts)}
    kept, over = chosen(new | {path: size_of(root, path) for path in filtered}, tracked, limits)
    left += over
    kept_now = {*kept, *others}
    again = [path for path in (*filtered, *others) if path in kept_now]
    _forget_times(bench, [tracked[path] for path in again])
    gone, changed = _changed(bench)
    wanted = {*changed, *again, *kept} - {each.path for each in left}
    unreadable = [path for path in sorted(wanted) if not _is_readable(root, path)]
    left += [Skipped(path, size_of(root, path), "unreadable") for path in unreadable]
    lost = {each.path for each in left}
    dropped = {path for path in tracked if path in lost or is_ours(path)} | set(gone)
    put = sorted(path for path in wanted - lost if not is_ours(path))
    return Gathered(tuple(sorted(left)), {*tracked, *put} - dropped, sorted(dropped), put)


def update(bench: Bench, dropped: Sequence[str], put: Sequence[str]) -> None:
    """Take ``dropped`` out of the copy of the index and ``put`` the other files into it, as they are on the disk."""
    if dropped:
        bench.ours("update-index", "--force-remove", "-z", "--stdin", stdin=dropped)
    if put:
        pack = ("-c", "core.bigFileThreshold=1") if len(put) > _MANY else ()
        # --remove: a file that went since it was listed.
        bench.ours(*pack, "update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=put)


def _converted(bench: Bench, entries: Sequence[IndexEntry]) -> tuple[list[str], list[str]]:
    """Tracked files whose content in git need not be what lies on the disk: by a filter or encoding, by line ends.

    Where only line ends can differ, a file of equal size is the same: conversion adds or takes carriage returns.
    """
    root = bench.repo.root
    files = {each.path: each for each in entries if each.mode.startswith("100")}
    asked = bench.theirs("check-attr", "-z", "--stdin", "-a", stdin=files).split("\0") if files else []
    attributes: dict[str, dict[str, str]] = {}
    for path, name, value in zip(asked[0::3], asked[1::3], asked[2::3], strict=False):
        if name in _CONVERTING:
            attributes.setdefault(path, {})[name] = value
    autocrlf = bench.config.get("core.autocrlf", "false").lower()
    by_default = autocrlf == "input" or is_true(autocrlf)
    filtered = [path for path, named in attributes.items() if _is_filtered(named) and facts_of(root, path)]
    by_lines = [
        path
        for path in (files if by_default else attributes)
        if _has_line_ends(attributes.get(path, {}), by_default=by_default) and facts_of(root, path)
    ]
    sizes = _blob_sizes(bench, [files[path].oid for path in by_lines])
    return filtered, [path for path, size in zip(by_lines, sizes, strict=True) if size != size_of(root, path)]


def _is_filtered(attributes: Mapping[str, str]) -> bool:
    named = {attributes.get("filter", "unset"), attributes.get("working-tree-encoding", "unset")}
    return bool(named - {"unset", "set"}) or attributes.get("ident") == "set"


def _has_line_ends(attributes: Mapping[str, str], *, by_default: bool) -> bool:
    """Whether carriage returns may have been taken out or put in. What is filtered is looked at anyway."""
    if _is_filtered(attributes) or "unset" in {attributes.get("text"), attributes.get("crlf")}:
        return False
    return by_default or bool({"text", "crlf", "eol"} & set(attributes))


def _blob_sizes(bench: Bench, oids: Sequence[str]) -> list[int]:
    """The bytes of each object; -1 for what the object store does not have."""
    if not oids:
        return []
    lines = "".join(f"{oid}\n" for oid in oids).encode()
    done = run_git(bench.repo.root, "cat-file", "--batch-check=%(objectsize)", stdin=lines, env=bench.our_env)
    return [int(line) if line.isdecimal() else -1 for line in text_of(done).split("\n")]


def _forget_times(bench: Bench, entries: Sequence[IndexEntry]) -> None:
    """Make git look at the content of these files, whatever it remembers of their size and time."""
    prefix = bench.repo.prefix
    if entries:
        lines = [f"{entry.mode} {entry.oid}\t{prefix}{entry.path}" for entry in entries]
        bench.ours("update-index", "-z", "--index-info", stdin=lines)


def _changed(bench: Bench) -> tuple[list[str], list[str]]:
    """Tracked paths that are no longer files, and those with another content than the index says, perhaps."""
    words = ("-z", "--name-status", "--no-renames", "--ignore-submodules=all", "--relative", "--", ".")
    listed = bench.ours("diff-files", *words).split("\0")
    gone: dict[str, None] = {}
    changed: dict[str, None] = {}
    for status, path in zip(listed[0::2], listed[1::2], strict=False):
        facts = facts_of(bench.repo.root, path)
        is_gone = status == "D" or facts is None or stat.S_ISDIR(facts.st_mode)
        (gone if is_gone else changed)[path] = None
    return list(gone), [path for path in changed if path not in gone]


def _is_readable(root: Path, path: str) -> bool:
    """True also for what is gone: git finds that out by itself."""
    facts = facts_of(root, path)
    if facts is None or stat.S_ISLNK(facts.st_mode):
        return True
    return stat.S_ISREG(facts.st_mode) and os.access(root / path, os.R_OK)


def _is_file_or_link(facts: os.stat_result) -> bool:
    return stat.S_ISREG(facts.st_mode) or stat.S_ISLNK(facts.st_mode)
