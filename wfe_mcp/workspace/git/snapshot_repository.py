"""The git directory in which snapshots are made, separate from the user's and without file conversion.

a temporary folder:  index       a copy of the user's, which git may change
                     git/        a git directory with nothing in it but what git must know of this file system, and
                                 attributes that switch every conversion off; objects go to the user's store
"""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.command import Repository, run_git, text_of

__all__ = ["DURABLE", "Bench", "bench_for", "facts_of", "is_true", "saying_why", "size_of"]

DURABLE = ("-c", "core.fsync=objects", "-c", "core.fsyncMethod=batch", "-c", "core.looseCompression=1")
_NO_CONVERSION = "* -text -ident -filter !eol !working-tree-encoding\n"
_CONFIG = r"^(core\.(filemode|symlinks|ignorecase|precomposeunicode|longpaths|autocrlf|sparsecheckout)|extensions\.objectformat)$"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a snapshot is made. ``theirs``: the user's git with our index; ``ours``: without their attributes."""

    repo: Repository
    config: Mapping[str, str]
    their_env: Mapping[str, str]
    our_env: Mapping[str, str]

    def theirs(self, *arguments: str, stdin: Iterable[str] = (), ok: Sequence[int] = (0,)) -> str:
        """Git as the user has configured it, with the copy of the index."""
        return self._git(self.their_env, arguments, stdin, ok)

    def ours(self, *arguments: str, stdin: Iterable[str] = (), ok: Sequence[int] = (0,)) -> str:
        """Git in the directory of our own, with the copy of the index; it writes to the user's object store."""
        return self._git(self.our_env, (*DURABLE, *arguments), stdin, ok)

    def commit(self, tree: str, parents: Sequence[str], message: str, at: datetime) -> str:
        """The commits are the server's own: nobody's name is needed, and none is taken."""
        named = {"NAME": "wfe-mcp", "EMAIL": "wfe-mcp@localhost", "DATE": f"{int(at.timestamp())} +0000"}
        author = {f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER") for key, value in named.items()}
        words = (*DURABLE, "commit-tree", tree, *parents)
        return text_of(run_git(self.repo.root, *words, stdin=message.encode(), env={**self.our_env, **author}))

    def _git(self, env: Mapping[str, str], arguments: Sequence[str], stdin: Iterable[str], ok: Sequence[int]) -> str:
        lines = "".join(f"{line}\0" for line in stdin)
        return text_of(run_git(self.repo.root, *arguments, stdin=os.fsencode(lines), env=env, ok=ok))


_FAULTS = (
    ("No space left on device", "the disk is full", "Make room on it, then try again."),
    ("Disk quota exceeded", "your share of the disk is used up", "Make room on it, then try again."),
    ("Read-only file system", "the repository is on a read-only disk", "Make it writable, then try again."),
    ("ermission denied", "you may not write to the repository", "Mend its permissions, then try again."),
    ("couldn't write", "the disk may be full", "Make room on it, then try again."),
    ("insufficient permission", "you may not write to the repository", "Mend its permissions, then try again."),
)


@contextmanager
def saying_why(what: str) -> Generator[None]:
    """Turn what git says of a full disk or of missing rights into words; ``what``: the sentence before the reason."""
    try:
        yield
    except Refused as no:
        for words, why, hint in _FAULTS:
            if no.code == "unavailable" and words in no.message:
                said = " ".join(no.message.split())
                raise Refused("unavailable", f"{what}: {why}. Nothing was changed. ({said})", hint) from no
        raise


@contextmanager
def bench_for(repo: Repository) -> Generator[Bench]:
    """A bench that goes when its block ends."""
    asked = text_of(run_git(repo.root, "config", "--show-scope", "-z", "--get-regexp", _CONFIG, ok=(0, 1))).split("\0")
    entries = (
        entry.partition("\n") for scope, entry in zip(asked[0::2], asked[1::2], strict=False) if scope != "command"
    )
    config = {key: value for key, _, value in entries}
    with tempfile.TemporaryDirectory(prefix="wfe-checkpoint-", ignore_cleanup_errors=True) as folder:
        private, index = Path(folder, "git"), Path(folder, "index")
        (private / "refs").mkdir(parents=True)
        (private / "info").mkdir()
        (private / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii", newline="\n")
        (private / "config").write_text(_private_config(config), encoding="utf-8", newline="\n")
        (private / "info" / "attributes").write_text(_NO_CONVERSION, encoding="ascii", newline="\n")
        with suppress(FileNotFoundError):  # there is no index before the first `git add`
            # copy2 keeps the time: git looks again at files as new as its index, which a fresh copy would hide.
            shutil.copy2(repo.index, index)
        for shared in repo.index.parent.glob("sharedindex.*"):  # the other half of a split index
            shutil.copy2(shared, private / shared.name)
        their = {"GIT_INDEX_FILE": str(index)}
        our = {"GIT_DIR": str(private), "GIT_WORK_TREE": str(repo.top), "GIT_OBJECT_DIRECTORY": str(repo.objects)}
        yield Bench(repo, config, their, their | our)


def _private_config(config: Mapping[str, str]) -> str:
    """What git must know of the file system and of the object store; nothing of what the user configured else."""
    sha = config.get("extensions.objectformat", "sha1")
    core = "".join(
        f"\t{key.removeprefix('core.')} = {str(is_true(value)).lower()}\n"
        for key, value in config.items()
        if key.startswith("core.") and key not in {"core.autocrlf", "core.sparsecheckout"}
    )
    version, more = ("0", "") if sha == "sha1" else ("1", f"[extensions]\n\tobjectformat = {sha}\n")
    return f"[core]\n\trepositoryformatversion = {version}\n\tbare = false\n{core}{more}"


def is_true(value: str) -> bool:
    """As git reads a boolean; a key without a value is true."""
    return value.lower() in {"", "true", "yes", "on", "1"}


def facts_of(root: Path, path: str) -> os.stat_result | None:
    """What stands at the path itself, be it a link; None where nothing does."""
    try:
        return os.lstat(f"{root}/{path}")  # thousands of paths: a Path each takes three times as long
    except OSError:
        return None


def size_of(root: Path, path: str) -> int:
    """The bytes of a file or the length of a link; 0 where there is nothing."""
    facts = facts_of(root, path)
    return facts.st_size if facts else 0
