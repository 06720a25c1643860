"""The line of commits that a branch is, by first parents, and where its first approvers come from.

    first parents      A───B───M───N      M is the first that names approvers; S, which it merged, named them before
    merged by M      S───T───U─╯

Rules:
1. Which parent of a merge is the first, its author chose: who may push can put the branch second, without a force push. So
   approvers that a merge brings come with the line that had them: S, T, U, M, N.
2. Elsewhere in the history no commit names approvers that no parent of it has, unless it comes after the first one of the line.
3. What is a file of approvers, and whether it names some, says the caller: this reads git alone.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.texts import clean
from wfe_mcp.delivery.git.commits import files_tree
from wfe_mcp.workspace.git.batch import read_objects
from wfe_mcp.workspace.git.command import Repository, run_git, text_of
from wfe_mcp.workspace.git.repository import is_ancestor

_LOG = ("log", "-z", "--no-color", "--no-show-signature", "--no-notes")
_FORMAT = "--format=%H %P%n%s%n%(trailers:key=Wfe-Run,valueonly,separator=%x20)"


class BranchCommit(NamedTuple):
    """A commit of the line. ``tree``: of its files without ``.wfe/``; ``approvers``: the bytes of its file, if it has one.

    ``runs``: those that its message names, which proves nothing.
    """

    id: str
    parents: tuple[str, ...]
    subject: str
    tree: str
    approvers: bytes | None
    runs: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """How a finding names it."""
        return f"{self.id[:12]} {self.subject}".rstrip()


class BranchLines:
    """The lines of a repository's project. ``file``: where it names approvers; ``names``: whether such bytes name any."""

    def __init__(self, root: Path, repo: Repository, file: str, names: Callable[[bytes], bool]) -> None:
        self._root, self._repo, self._file, self._names = root, repo, file, names

    def by_first_parents(self, top: str) -> list[BranchCommit]:
        """The line that ends at ``top``, oldest first."""
        root, name = self._root, self._file.partition("/")[2]
        words = (*_LOG, "--first-parent", "--reverse", _FORMAT, "--end-of-options", top, "--")
        listed = text_of(run_git(root, *words)).split("\0")
        heads = [(ids.split(" "), *more) for ids, *more in (text.split("\n", 2) for text in listed if text)]
        folder = self._repo.prefix.rstrip("/")
        parts = files_tree(root, [f"{ids[0]}:{folder}" for ids, *_ in heads], self._repo.hash_name)
        files = [f"{own}:{name}" for _, own in parts if own]
        known = dict(zip(files, read_objects(root, files), strict=True))
        line: list[BranchCommit] = []
        for (ids, subject, runs), (tree, own) in zip(heads, parts, strict=True):
            file = known.get(f"{own}:{name}")
            approvers = file[1] if file is not None and file[0] == "blob" else None
            of = ids[0], tuple(filter(None, ids[1:])), clean(subject)[:72], tree, approvers
            line.append(BranchCommit(*of, tuple(runs.split())))
        return line

    def with_merged_approvers(self, line: list[BranchCommit]) -> list[BranchCommit]:
        """``line``, which begins with the merged line that its first approvers come from; itself where no merge brought them."""
        while (first := self.first_named(line)) is not None:
            merged = (self.by_first_parents(parent) for parent in first.parents[1:])
            before = next((other for other in merged if self._has_names(other[-1])), None)
            if before is None:
                break
            line = [*before, *line[line.index(first) :]]
        return line

    def first_named(self, line: Sequence[BranchCommit]) -> BranchCommit | None:
        """The first commit of ``line`` that names approvers."""
        return next((commit for commit in line if self._has_names(commit)), None)

    def named_elsewhere(self, line: Sequence[BranchCommit]) -> Iterator[str]:
        """Commits behind the last one of ``line`` that name approvers as no parent of theirs does, and break the second rule."""
        root, first = self._root, self.first_named(line)
        if first is None:
            return
        path, own = f"{self._repo.prefix}{self._file}", {commit.id for commit in line}
        words = (*_LOG, "--full-history", "-m", "--root", "--diff-filter=A", "--no-renames", "--format=%H %P")
        options = (*words, "--end-of-options", line[-1].id, "--", f":(top,literal){path}")
        listed = text_of(run_git(root, *options)).split("\0")
        for commit, *parents in [ids.split() for ids in dict.fromkeys(filter(None, listed))]:
            is_new = commit not in own and not any(read_objects(root, [f"{parent}:{path}" for parent in parents]))
            if is_new and not is_ancestor(root, first.id, commit):
                yield commit

    def _has_names(self, commit: BranchCommit) -> bool:
        return commit.approvers is not None and self._names(commit.approvers)
