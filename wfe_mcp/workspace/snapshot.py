"""How are the files of a project saved as a commit that nothing but us points to?

    real index ──copy──> temporary index ──changed, untracked──> write-tree ──> commit-tree ──> a commit without a ref
                         in a temporary git directory of its own; objects go to the repository's own store

Rules:
1. Index, HEAD, refs, work tree, stash and reflogs stay byte for byte as they are; no lock of the user's is needed.
2. Files are saved as they lie on the disk. No clean filter, line-end or encoding conversion and no LFS takes part,
   whoever configured it: the temporary git directory switches all attributes off.
3. Saved: what git tracks and what is untracked and not ignored, below the root only. Never ``.wfe/``: going back
   must not bring back configuration, nor the trust in it.
4. Left out, and listed in the snapshot: what is over the limits, unreadable, a submodule or a nested repository.
   A tracked file with a filter (LFS) counts as untracked here: its content is not git's.
5. What the index holds (the staged state) is kept beside it: the second parent, or HEAD's own tree.
"""

import json
import os
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git_command import Repository, repository, run_git, text_of
from wfe_mcp.workspace.index_copy import Entry, entries_of, is_ours, unhide, untracked_of
from wfe_mcp.workspace.snapshot_limits import Limits, Skipped, chosen
from wfe_mcp.workspace.staging import refusing_faults

__all__ = ["Modes", "Snapshot", "available", "read_snapshot", "require_available", "take"]

_SUBJECT = "wfe-mcp: checkpoint of the files"
_DURABLE = ("-c", "core.fsync=objects", "-c", "core.fsyncMethod=batch", "-c", "core.looseCompression=1")
_MANY = 200
"""So many new files go into one pack instead of a file each, which takes five times as long."""
_NO_CONVERSION = "* -text -ident -filter !eol !working-tree-encoding\n"
_CONVERTING = {"text", "crlf", "eol", "ident", "filter", "working-tree-encoding"}
_CONFIG = r"^(core\.(filemode|symlinks|ignorecase|precomposeunicode|longpaths|autocrlf)|extensions\.objectformat)$"


@dataclass(frozen=True, slots=True)
class Modes:
    """Permissions that git does not keep: the usual ones of plain and executable files, and the files that differ."""

    plain: int = 0o644
    executable: int = 0o755
    others: Mapping[str, int] = field(default_factory=dict[str, int])

    def of(self, path: str, git_mode: str) -> int:
        """The permission bits of a file."""
        return self.others.get(path, self.executable if git_mode == "100755" else self.plain)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files at one moment. ``tree``: those of the root. ``head``, ``index_tree``: ``""`` where there is none.

    ``index_tree``: of the whole repository; none during a merge with conflicts. ``note``: what the caller said.
    """

    commit: str
    tree: str
    head: str
    index_tree: str
    skipped: tuple[Skipped, ...] = ()
    modes: Modes = Modes()
    note: Mapping[str, Any] = field(default_factory=dict[str, Any])


def available(root: Path) -> str | None:
    """Why no snapshot can be taken at ``root``, as a whole sentence; None when it can."""
    if shutil.which("git") is None:
        return "git is not installed, or not on the PATH."
    found = repository(root)
    if found is None:
        return f"'{root}' lies in no git work tree, or git ignores it there."
    for place in (root.resolve(), found.top.resolve()):
        if place == Path(place.anchor) or place == Path.home().resolve():
            return f"'{place}' is a home directory or a whole disk, and is not saved as a project."
    return None


def take(
    root: Path,
    note: Mapping[str, Any],
    limits: Limits,
    *,
    at: datetime,
    besides: Sequence[str] = (),
) -> Snapshot:
    """Save the files below ``root``; a commit that no ref keeps yet (``checkpoints.keep``).

    ``note``: JSON that the commit carries. ``at``: its time. ``besides``: paths that are saved although git ignores
    them; what is not there, no file or too large is passed over. Refuses ``unavailable``, with nothing changed.
    """
    found = require_available(root)
    with refusing_faults("a checkpoint of the files"), _bench(found) as bench:
        skipped, modes = _gather(bench, limits, besides)
        tree = _write_tree(bench)
        head, index_tree, staged = _staged(bench, at)
        told = {
            "note": dict(note),
            "head": head,
            "index_tree": index_tree,
            "skipped": skipped,
            "modes": _as_json(modes),
        }
        parents = [word for parent in (head, staged) if parent for word in ("-p", parent)]
        # ASCII: file names need not be text, and escapes keep what is none.
        message = f"{_SUBJECT}\n\n{json.dumps(told)}\n"
        commit = bench.commit(tree, parents, message, at)
    return Snapshot(commit, tree, head, index_tree, skipped, modes, dict(note))


def read_snapshot(root: Path, commit: str) -> Snapshot:
    """The snapshot that ``take`` gave as ``commit``. Refuses ``bad_argument`` for any other."""
    done = run_git(root, "cat-file", "commit", commit, env={"GIT_NO_REPLACE_OBJECTS": "1"}, ok=None)
    header, _, message = (text_of(done) if done is not None and done.returncode == 0 else "").partition("\n\n")
    found = _told(commit, header, message)
    if found is None:
        raise Refused(
            "bad_argument",
            f"'{commit}' is no checkpoint of the files of '{root}'.",
            "Choose one of the checkpoints that are kept.",
        )
    return found


def _told(commit: str, header: str, message: str) -> Snapshot | None:
    subject, _, body = message.partition("\n\n")
    if subject != _SUBJECT:
        return None
    try:
        told: dict[str, Any] = json.loads(body)
        skipped = tuple(Skipped(*each) for each in told["skipped"])
        tree = header.split("\n")[0].removeprefix("tree ")
        return Snapshot(commit, tree, told["head"], told["index_tree"], skipped, _modes_in(told["modes"]), told["note"])
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class _Bench:
    """Where a snapshot is made. ``theirs``: the user's git with our index; ``ours``: without their attributes."""

    repo: Repository
    config: Mapping[str, str]
    their_env: Mapping[str, str]
    our_env: Mapping[str, str]

    def theirs(self, *arguments: str, stdin: Iterable[str] = (), ok: Sequence[int] = (0,)) -> str:
        return self._git(self.their_env, arguments, stdin, ok)

    def ours(self, *arguments: str, stdin: Iterable[str] = (), ok: Sequence[int] = (0,)) -> str:
        return self._git(self.our_env, (*_DURABLE, *arguments), stdin, ok)

    def commit(self, tree: str, parents: Sequence[str], message: str, at: datetime) -> str:
        """The commits are the server's own: nobody's name is needed, and none is taken."""
        named = {"NAME": "wfe-mcp", "EMAIL": "wfe-mcp@localhost", "DATE": f"{int(at.timestamp())} +0000"}
        author = {f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER") for key, value in named.items()}
        words = (*_DURABLE, "commit-tree", tree, *parents)
        return text_of(run_git(self.repo.root, *words, stdin=message.encode(), env={**self.our_env, **author}))

    def _git(self, env: Mapping[str, str], arguments: Sequence[str], stdin: Iterable[str], ok: Sequence[int]) -> str:
        lines = "".join(f"{line}\0" for line in stdin)
        return text_of(run_git(self.repo.root, *arguments, stdin=os.fsencode(lines), env=env, ok=ok))


def require_available(root: Path) -> Repository:
    """The repository of ``root``. Refuses ``unavailable`` where no snapshot can be taken."""
    why = available(root)
    found = None if why else repository(root)
    if found is None:
        raise Refused(
            "unavailable",
            f"The files cannot be saved. {why}",
            "The state of the run is kept all the same. For the files: install git, and run `git init` in a project folder.",
        )
    return found


@contextmanager
def _bench(repo: Repository) -> Generator[_Bench]:
    asked = text_of(run_git(repo.root, "config", "-z", "--get-regexp", _CONFIG, ok=(0, 1)))
    config = {key: value for key, _, value in (each.partition("\n") for each in asked.split("\0") if each)}
    with tempfile.TemporaryDirectory(prefix="wfe-checkpoint-", ignore_cleanup_errors=True) as folder:
        private, index = Path(folder, "git"), Path(folder, "index")
        (private / "refs").mkdir(parents=True)
        (private / "info").mkdir()
        (private / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
        (private / "config").write_text(_private_config(config), encoding="utf-8")
        (private / "info" / "attributes").write_text(_NO_CONVERSION, encoding="ascii")
        with suppress(FileNotFoundError):  # there is no index before the first `git add`
            # copy2 keeps the time: git looks again at files as new as its index, which a fresh copy would hide.
            shutil.copy2(repo.index, index)
        for shared in repo.index.parent.glob("sharedindex.*"):  # the other half of a split index
            shutil.copy2(shared, private / shared.name)
        their = {"GIT_INDEX_FILE": str(index)}
        our = {"GIT_DIR": str(private), "GIT_WORK_TREE": str(repo.top), "GIT_OBJECT_DIRECTORY": str(repo.objects)}
        yield _Bench(repo, config, their, their | our)


def _private_config(config: Mapping[str, str]) -> str:
    """What git must know of the file system and of the object store; nothing of what the user configured else."""
    sha = config.get("extensions.objectformat", "sha1")
    core = "".join(
        f"\t{key.removeprefix('core.')} = {'true' if value.lower() in {'true', 'yes', 'on', '1', ''} else 'false'}\n"
        for key, value in config.items()
        if key.startswith("core.") and key != "core.autocrlf"
    )
    version, more = ("0", "") if sha == "sha1" else ("1", f"[extensions]\n\tobjectformat = {sha}\n")
    return f"[core]\n\trepositoryformatversion = {version}\n\tbare = false\n{core}{more}"


def _gather(bench: _Bench, limits: Limits, besides: Sequence[str]) -> tuple[tuple[Skipped, ...], Modes]:
    """Bring the copy of the index up to the work tree. What was left out, and the permissions of what was not."""
    root = bench.repo.root
    entries = entries_of(bench.theirs)
    unhide(bench.theirs, root, entries)
    tracked = {entry.path: entry for entry in entries}
    found = [path for path in untracked_of(bench.theirs) if not is_ours(path)]
    left = [Skipped(path, 0, "nested repository") for path in found if path.endswith("/")]
    left += [Skipped(path, 0, "submodule") for path, entry in tracked.items() if entry.mode == "160000"]
    new = {path: facts.st_size for path in found if not path.endswith("/") and (facts := _facts(root, path))}
    forced = [path for path in besides if path not in tracked and path not in new and not is_ours(path)]
    new |= {path: facts.st_size for path in forced if (facts := _facts(root, path)) and not stat.S_ISDIR(facts.st_mode)}
    filtered, others = _converted(bench, entries)
    kept, over = chosen(new | {path: _size(root, path) for path in filtered}, tracked, limits)
    left += over
    kept_now = {*kept, *others}
    again = [path for path in (*filtered, *others) if path in kept_now]
    _forget_times(bench, [tracked[path] for path in again])
    gone, changed = _changed(bench)
    wanted = {*changed, *again, *kept} - {each.path for each in left}
    unreadable = [path for path in sorted(wanted) if not _is_readable(root, path)]
    left += [Skipped(path, _size(root, path), "unreadable") for path in unreadable]
    lost = {each.path for each in left}
    dropped = {path for path in tracked if path in lost or is_ours(path)} | set(gone)
    put = sorted(path for path in wanted - lost if not is_ours(path))
    _update(bench, sorted(dropped), put)
    return tuple(sorted(left)), _modes(bench, {*tracked, *put} - dropped)


def _converted(bench: _Bench, entries: Sequence[Entry]) -> tuple[list[str], list[str]]:
    """Tracked files whose content in git need not be what lies on the disk: by a filter or encoding, by line ends.

    Where only line ends can differ, a file of equal size is the same: conversion adds or takes carriage returns.
    """
    root = bench.repo.root
    files = {each.path: each for each in entries if each.mode[:3] == "100" and os.path.lexists(root / each.path)}
    asked = bench.theirs("check-attr", "-z", "--stdin", "-a", stdin=files).split("\0") if files else []
    attributes: dict[str, dict[str, str]] = {}
    for path, name, value in zip(asked[0::3], asked[1::3], asked[2::3], strict=False):
        if name in _CONVERTING:
            attributes.setdefault(path, {})[name] = value
    by_default = bench.config.get("core.autocrlf", "").lower() not in {"", "false", "no", "off", "0"}
    filtered = [path for path in attributes if _is_filtered(attributes[path])]
    by_lines = [path for path in files if _has_line_ends(attributes.get(path, {}), by_default=by_default)]
    sizes = _blob_sizes(bench, [files[path].oid for path in by_lines])
    return filtered, [path for path, size in zip(by_lines, sizes, strict=True) if size != _size(root, path)]


def _is_filtered(attributes: Mapping[str, str]) -> bool:
    named = {attributes.get("filter", "unset"), attributes.get("working-tree-encoding", "unset")}
    return bool(named - {"unset", "set"}) or attributes.get("ident") == "set"


def _has_line_ends(attributes: Mapping[str, str], *, by_default: bool) -> bool:
    """Whether carriage returns may have been taken out or put in. What is filtered is looked at anyway."""
    if _is_filtered(attributes) or "unset" in {attributes.get("text"), attributes.get("crlf")}:
        return False
    return by_default or bool({"text", "crlf", "eol"} & set(attributes))


def _blob_sizes(bench: _Bench, oids: Sequence[str]) -> list[int]:
    """The bytes of each object; -1 for what the object store does not have."""
    if not oids:
        return []
    lines = "".join(f"{oid}\n" for oid in oids).encode()
    done = run_git(bench.repo.root, "cat-file", "--batch-check=%(objectsize)", stdin=lines, env=bench.our_env)
    return [int(line) if line.isdecimal() else -1 for line in text_of(done).split("\n")]


def _forget_times(bench: _Bench, entries: Sequence[Entry]) -> None:
    """Make git look at the content of these files, whatever it remembers of their size and time."""
    prefix = bench.repo.prefix
    if entries:
        lines = [f"{entry.mode} {entry.oid}\t{prefix}{entry.path}" for entry in entries]
        bench.ours("update-index", "-z", "--index-info", stdin=lines)


def _changed(bench: _Bench) -> tuple[list[str], list[str]]:
    """Tracked paths that are no longer files, and those with another content than the index says, perhaps."""
    words = ("-z", "--name-status", "--no-renames", "--ignore-submodules=all", "--relative", "--", ".")
    listed = bench.ours("diff-files", *words).split("\0")
    gone: dict[str, None] = {}
    changed: dict[str, None] = {}
    for status, path in zip(listed[0::2], listed[1::2], strict=False):
        facts = _facts(bench.repo.root, path)
        is_gone = status == "D" or facts is None or stat.S_ISDIR(facts.st_mode)
        (gone if is_gone else changed)[path] = None
    return list(gone), [path for path in changed if path not in gone]


def _update(bench: _Bench, dropped: Sequence[str], put: Sequence[str]) -> None:
    if dropped:
        bench.ours("update-index", "--force-remove", "-z", "--stdin", stdin=dropped)
    if put:
        pack = ("-c", "core.bigFileThreshold=1") if len(put) > _MANY else ()
        # --remove: a file that went since it was listed.
        bench.ours(*pack, "update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=put)


def _write_tree(bench: _Bench) -> str:
    prefix = bench.repo.prefix
    if prefix:
        _drop_conflicts_elsewhere(bench)
    tree = bench.ours("write-tree", "--missing-ok", *([f"--prefix={prefix}"] if prefix else []), ok=(0, 128))
    # Nothing is left below the prefix: the empty tree.
    return tree or bench.ours("hash-object", "-t", "tree", "-w", "--stdin")


def _drop_conflicts_elsewhere(bench: _Bench) -> None:
    """No tree of any folder is written while some path of the index is in conflict."""
    listed = bench.ours("ls-files", "-u", "-z", "--full-name", "--", ":/").split("\0")
    paths = sorted({line.partition("\t")[2] for line in listed if line})
    if paths:
        none = "0" * 40
        bench.ours("update-index", "-z", "--index-info", stdin=[f"0 {none}\t{path}" for path in paths])


def _staged(bench: _Bench, at: datetime) -> tuple[str, str, str]:
    """HEAD, the tree of the user's index, and a commit of that tree where HEAD does not have it."""
    root = bench.repo.root
    done = run_git(root, "log", "-1", "--no-color", "--format=%H %T", "HEAD", "--", env=bench.their_env, ok=None)
    head, _, tree = (text_of(done) if done is not None and done.returncode == 0 else "").partition(" ")
    with tempfile.TemporaryDirectory(prefix="wfe-index-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "index")
        with suppress(FileNotFoundError):
            shutil.copyfile(bench.repo.index, copy)
        env = {**bench.our_env, "GIT_INDEX_FILE": str(copy)}
        done = run_git(root, *_DURABLE, "write-tree", "--missing-ok", env=env, ok=None)
    index_tree = text_of(done) if done is not None and done.returncode == 0 else ""
    staged = bench.commit(index_tree, (), f"{_SUBJECT}: what was staged\n", at) if index_tree not in {"", tree} else ""
    return head, index_tree, staged


def _modes(bench: _Bench, paths: Iterable[str]) -> Modes:
    root = bench.repo.root
    if os.name == "nt" or bench.config.get("core.filemode", "true") == "false":  # the file system has no such bits
        return Modes()
    found = {
        path: facts.st_mode & 0o777 for path in paths if (facts := _facts(root, path)) and stat.S_ISREG(facts.st_mode)
    }
    counted = Counter(found.values())
    plain = next((mode for mode, _ in counted.most_common() if not mode & 0o100), 0o644)
    executable = next((mode for mode, _ in counted.most_common() if mode & 0o100), 0o755)
    others = {path: mode for path, mode in sorted(found.items()) if mode not in {plain, executable}}
    return Modes(plain, executable, others)


def _as_json(modes: Modes) -> dict[str, Any]:
    others = {path: f"{mode:03o}" for path, mode in modes.others.items()}
    return {"plain": f"{modes.plain:03o}", "executable": f"{modes.executable:03o}", "others": others}


def _modes_in(told: Mapping[str, Any]) -> Modes:
    others = {path: int(mode, 8) for path, mode in cast("dict[str, str]", told["others"]).items()}
    return Modes(int(told["plain"], 8), int(told["executable"], 8), others)


def _facts(root: Path, path: str) -> os.stat_result | None:
    try:
        return os.lstat(os.path.join(root, path))  # noqa: PTH118 - thousands of paths: a Path each takes longer
    except OSError:
        return None


def _size(root: Path, path: str) -> int:
    facts = _facts(root, path)
    return facts.st_size if facts else 0


def _is_readable(root: Path, path: str) -> bool:
    full = os.path.join(root, path)  # noqa: PTH118 - as above
    return os.path.islink(full) or not os.path.lexists(full) or os.access(full, os.R_OK)  # noqa: PTH114 - as above
