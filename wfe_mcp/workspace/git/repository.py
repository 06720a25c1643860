"""Read-only queries of the project's git repository.

    real index ──copy──> temporary index ──add -A──> write-tree ──> tree hash
                         objects go to a throw-away folder; only trees are kept, in <git dir>/wfe/objects

Rules:
1. The user's index, HEAD, refs, work tree and object store stay byte for byte as they are.
2. Equal content has an equal tree, committed or not; ``.wfe/`` and ignored files never count.
3. Nested repositories and submodules count by the commit they stand on, not by their files.
"""

import os
import shutil
import tempfile
import zlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.files.project_files import read_file
from wfe_mcp.workspace.git.command import Repository, quiet_filters, repository, require_repository, run_git, text_of
from wfe_mcp.workspace.git.index_copy import NOT_OURS, IndexEntry, entries_of, is_ours, unhide, untracked_of

__all__ = [
    "branch", "changed_paths", "commit_message", "commits_between", "diff_since", "head", "is_ancestor", "is_clean", "tree_hash",
]  # fmt: skip

LARGE_FILE_BYTES = 10_000_000
"""Untracked files above this are hashed, never copied: an 11 GB file must not fill the disk."""

NEW_FILE_BYTES = 100_000
"""Larger untracked files are named in a diff, not shown."""

CACHES = ("**/__pycache__", "**/*.pyc", "**/.pytest_cache")
"""What Python writes by being run: no one's work, though many a repository forgets to ignore it."""


def tree_hash(root: Path, ignore_globs: Sequence[str] = ()) -> str | None:
    """The id of the tree that a commit of everything below ``root`` would have, less ``ignore_globs``.

    None without git, and where the root is the home directory or the disk: to hash those is no one's wish.
    """
    found = repository(root)
    if found is None or root.resolve() in {Path.home().resolve(), Path(root.resolve().anchor)}:
        return None
    with _scratch(found) as scratch:
        entries = entries_of(scratch.git)
        unhide(scratch.git, root, entries)
        untracked = untracked_of(scratch.git)
        _add_all(scratch, entries, untracked)
        _drop(scratch, [*(entry.path for entry in entries), *untracked], (*CACHES, *ignore_globs))
        return _write_tree(scratch)


def changed_paths(root: Path, tree_a: str, tree_b: str) -> list[str]:
    """The paths, relative to ``root``, that differ between two values of ``tree_hash``. Refuses forgotten trees."""
    if tree_a == tree_b:
        return []
    found = require_repository(root)
    env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(_kept_objects(found))}
    words = ("--end-of-options", tree_a, tree_b)
    done = run_git(root, "diff-tree", "-r", "--no-renames", "--name-only", "-z", *words, env=env, ok=None)
    if done is None or done.returncode:
        raise Refused(
            "unavailable",
            f"The files of tree {tree_a[:12]} or {tree_b[:12]} are no longer known here, so they cannot be compared.",
            "Retry the phase: it records the files afresh.",
        )
    return sorted(each for each in os.fsdecode(done.stdout).split("\0") if each and not is_ours(each))


def head(root: Path) -> str | None:
    """The commit that is checked out; None without git or before the first commit."""
    return text_of(run_git(root, "rev-parse", "--verify", "-q", "HEAD^{commit}", ok=None)) or None


def branch(root: Path) -> str | None:
    """The branch that is checked out, also before its first commit; None without git or on a detached HEAD."""
    return text_of(run_git(root, "symbolic-ref", "--short", "-q", "HEAD", ok=None)) or None


def is_clean(root: Path) -> bool:
    """True when nothing below ``root`` differs from HEAD and nothing is untracked. ``.wfe/`` never counts."""
    require_repository(root)
    # "dirty": to look inside a submodule, git would run status there, with the filters of its configuration.
    options = ("--porcelain", "-z", "--untracked-files=normal", "--ignore-submodules=dirty", "--no-renames")
    done = run_git(root, "status", *options, "--", ".", NOT_OURS, env=quiet_filters(root))
    return not text_of(done)


def commits_between(root: Path, base: str | None, tip: str = "HEAD") -> list[str]:
    """The commits reachable from ``tip`` and not from ``base``, oldest first; all of them when ``base`` is None."""
    require_repository(root)
    span = [tip] if base is None else [tip, f"^{base}"]
    return text_of(run_git(root, "rev-list", "--reverse", "--end-of-options", *span)).split()


def commit_message(root: Path, commit: str = "HEAD") -> str:
    """The message of a commit, without its last line break."""
    require_repository(root)
    return text_of(run_git(root, "show", "-s", "--format=%B", "--no-notes", "--end-of-options", commit)).rstrip("\n")


def diff_since(root: Path, base: str | None, max_chars: int = 60_000) -> str | None:
    """What differs between ``base`` (None: HEAD) and the working files, as a diff; untracked files follow whole.

    None without git or before the first commit. No driver, text conversion or filter of the repository runs.
    """
    found = repository(root)
    commit = base or head(root)
    if found is None or commit is None:
        return None
    quiet = quiet_filters(root)
    options = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--ignore-submodules=dirty")
    words = ("--end-of-options", commit, "--", ".", NOT_OURS)
    done = run_git(root, "diff", *options, *words, env=quiet, ok=None)
    if done is None or done.returncode:
        return None
    told = text_of(done)
    names = text_of(run_git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", ".", NOT_OURS, env=quiet))
    whole = told + "".join(_as_new(root, name) for name in names.split("\0") if name)
    return (
        whole if len(whole) <= max_chars else f"{whole[:max_chars]}\n[cut: {max_chars:,} of {len(whole):,} characters]"
    )


def is_ancestor(root: Path, ancestor: str, descendant: str = "HEAD") -> bool:
    """True when moving from ``ancestor`` to ``descendant`` is a fast-forward."""
    require_repository(root)
    done = run_git(root, "merge-base", "--is-ancestor", "--end-of-options", ancestor, descendant, ok=(0, 1))
    return done is not None and done.returncode == 0


def _as_new(root: Path, name: str) -> str:
    """An untracked text file the way a diff shows a new one; what is no such file only by its name."""
    try:
        text = read_file(root, name, NEW_FILE_BYTES).decode()
    except (Refused, UnicodeDecodeError):
        return f"\nnew file {name}: not shown\n"
    return f"\nnew file {name}\n" + "".join(f"+{line}\n" for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class _Scratch:
    """A copy of the index and a throw-away object folder. ``env`` makes git use both."""

    repo: Repository
    objects: Path
    env: Mapping[str, str]

    def git(self, *arguments: str, stdin: Iterable[str] = (), ok: Sequence[int] = (0,)) -> str:
        lines = "".join(f"{line}\0" for line in stdin)
        return text_of(run_git(self.repo.root, *arguments, stdin=os.fsencode(lines), env=self.env, ok=ok))


@contextmanager
def _scratch(repo: Repository) -> Generator[_Scratch]:
    with tempfile.TemporaryDirectory(prefix="wfe-tree-", ignore_cleanup_errors=True) as folder:
        index, objects = Path(folder, "index"), Path(folder, "objects")
        (objects / "info").mkdir(parents=True)
        (objects / "info" / "alternates").write_bytes(os.fsencode(f"{_quoted(repo.objects)}\n"))
        with suppress(FileNotFoundError):  # there is no index before the first `git add`
            # copy2 keeps the time: git looks again at files as new as its index, which a fresh copy would hide.
            shutil.copy2(repo.index, index)
        variables = {"GIT_INDEX_FILE": str(index), "GIT_OBJECT_DIRECTORY": str(objects)}
        yield _Scratch(repo, objects, variables | quiet_filters(repo.root))


def _add_all(scratch: _Scratch, entries: Sequence[IndexEntry], untracked: Sequence[str]) -> None:
    """Bring the index up to the work tree. Exit code 1: some file could not be read, so it does not count."""
    root, prefix = scratch.repo.root, scratch.repo.prefix
    links = [entry.path for entry in entries if entry.mode == "160000" and os.path.lexists(root / entry.path / ".git")]
    nested = [*(path.rstrip("/") for path in untracked if path.endswith("/")), *links]
    large = [path for path in untracked if not path.endswith("/") and _size(root / path) > LARGE_FILE_BYTES]
    exclude = [f":(exclude,literal){path}" for path in (*nested, *large)]
    pathspec = ("--pathspec-from-file=-", "--pathspec-file-nul")
    # Threshold 1: contents go into one pack, not into a file and folder each, which took five times as long.
    add = ("-c", "core.bigFileThreshold=1", "add", "-A", "--ignore-errors")
    scratch.git(*add, *pathspec, stdin=[".", NOT_OURS, *exclude], ok=(0, 1))
    # Not left to git add: inside a submodule it would run status, with the filters of the submodule's configuration.
    lines = [f"160000 {commit}\t{prefix}{path}" for path in nested if (commit := head(root / path))]
    for path in large:
        mode = "100755" if os.name == "posix" and os.access(root / path, os.X_OK) else "100644"
        lines.append(f"{mode} {scratch.git('hash-object', '--', path)}\t{prefix}{path}")
    if lines:
        scratch.git("update-index", "-z", "--index-info", stdin=lines)


def _drop(scratch: _Scratch, paths: Sequence[str], ignore_globs: Sequence[str]) -> None:
    dropped = [path for path in paths if is_ours(path) or match_globs(path, ignore_globs)]
    if dropped:
        scratch.git("update-index", "--force-remove", "-z", "--stdin", stdin=dropped)


def _write_tree(scratch: _Scratch) -> str:
    prefix = scratch.repo.prefix
    tree = scratch.git("write-tree", "--missing-ok", *([f"--prefix={prefix}"] if prefix else []), ok=(0, 128))
    if not tree:  # nothing is left below the prefix
        return scratch.git("hash-object", "-t", "tree", "-w", "--stdin")
    with suppress(OSError):  # a git directory that cannot be written costs changed_paths, not the hash
        _keep_trees(scratch.objects, _kept_objects(scratch.repo))
    return tree


def _kept_objects(repo: Repository) -> Path:
    return repo.common / "wfe" / "objects"


def _keep_trees(objects: Path, kept: Path) -> None:
    """Keep the new trees, so that two hashes can be compared later. Contents of files are never kept."""
    for source in objects.glob("??/*"):
        with source.open("rb") as file:
            is_tree = zlib.decompressobj().decompress(file.read(64), 5) == b"tree "
        target = kept / source.parent.name / source.name
        if is_tree and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            staged = target.with_name(f"tmp_{os.getpid()}_{target.name}")
            shutil.copyfile(source, staged)
            staged.replace(target)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # pragma: no cover - the file went between being listed and being looked at
        return 0


def _quoted(path: Path) -> str:
    """A path for git's list of alternates, where a bare colon would split it."""
    text = path.as_posix().replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
