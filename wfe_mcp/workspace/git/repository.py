"""A project's git state: HEAD, branch, commits, cleanliness.

Rules:
1. The user's index, HEAD, refs, work tree and object store stay byte for byte unchanged.
2. ``.wfe/`` and ignored files never count.
3. HEAD of a plain repository is read from its files; otherwise git is called.
"""

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.git.command import is_set, quiet_filters, repository, require_repository, run_git, text_of
from wfe_mcp.workspace.git.objects import OWN_BRANCHES, Head, head_of, known_commit, loose

NOT_OURS = ":(exclude,glob).wfe/**"
"""A pathspec that excludes the project's own ``.wfe`` folder; one below it is as any other."""


def why_no_repository(root: Path) -> tuple[str, tuple[str, ...]]:
    """Why git has no repository in ``root``, and the commands of which one helps: one may be there that git refuses to use."""
    top = next((path for path in (root, *root.parents) if (path / ".git").exists()), None)
    done = None if top is None else run_git(root, "rev-parse", "--git-dir", ok=None)
    if top is not None and done is None:
        return "git is not installed", ("install git",)
    if text_of(run_git(root, "rev-parse", "--is-bare-repository", ok=None)) == "true":
        return "a bare repository, which has no files to work on", ("git worktree add DIR, and work in DIR",)
    if top is None or done is None or not done.returncode:
        return "no repository", ("git init",)
    owner = top.stat().st_uid
    user: Callable[[], int] | None = getattr(os, "geteuid", None)
    me = owner if user is None else user()
    if owner != me:
        place = shlex.quote(str(top))
        own = f"chown -R {me} {place}", f"git config --global --add safe.directory {place}"
        return f"git refuses the repository {top}: user {owner} owns it, and this is user {me}", own
    reason = done.stderr.decode(errors="replace").partition("\n")[0].removeprefix("fatal: ")
    return f"git refuses the repository {top}: {reason}", ("git status",)


def head(root: Path) -> str | None:
    """The checked-out commit; None without git or before the first commit."""
    known = _head(root)
    if known is not None:
        return known.commit or None
    return commit_of(root, "HEAD") or None


def commit_of(root: Path, name: str) -> str:
    """The commit that ``name`` means; empty where there is none."""
    if name.startswith("refs/") and (known := known_commit(require_repository(root).common, name)) is not None:
        return known
    repo = repository(root)
    if repo is not None and (commit := loose(repo, name)) is not None and commit[0] == "commit":
        return name
    return text_of(run_git(root, "rev-parse", "--verify", "-q", "--end-of-options", f"{name}^{{commit}}", ok=None))


_OWN_NAME = re.compile(r"refs/|(@|[A-Z_]*HEAD)(?![^~^@])")
_ID = re.compile(r"[0-9a-f]{7,64}(?![^~^])")


def commit_meant(root: Path, name: str, *folders: str) -> str:
    """The commit that a person means by ``name``; empty where there is none.

    Git takes a tag before an id's beginning and before a branch, and who may push can make a tag of any name. Here an id is
    an id, and a branch in ``folders`` (``refs/heads/``) goes before a tag.
    """
    if _OWN_NAME.match(name):
        return commit_of(root, name)
    if is_id := _ID.match(name):
        ids = text_of(run_git(root, "rev-parse", f"--disambiguate={is_id[0]}", ok=None)).split()
        if commits := {commit_of(root, f"{full}{name[is_id.end() :]}") for full in ids} - {""}:
            return commits.pop() if len(commits) == 1 else ""
    return next(filter(None, (commit_of(root, folder + name) for folder in (*folders, ""))), "")


def first_commit(root: Path) -> str | None:
    """The first commit of the history, by first parents; None without git or commits. A shallow clone has another one."""
    if head(root) is None:
        return None
    commits = text_of(run_git(root, "rev-list", "--first-parent", "--max-parents=0", "HEAD", ok=None))
    return commits.split()[0] if commits else None


def branch(root: Path) -> str | None:
    """The checked-out branch, also before its first commit; None without git or on a detached HEAD."""
    known = _head(root)
    if known is not None:
        return known.branch or None
    name = text_of(run_git(root, "symbolic-ref", "--short", "-q", "HEAD", ok=None))
    return name.removeprefix(OWN_BRANCHES.removeprefix("refs/")) or None


def branch_with(root: Path, commit: str) -> str:
    """A branch that has ``commit`` while HEAD has not; empty where there is none, such as for a commit that was amended."""
    words = ("--count=1", "--format=%(refname:short)", f"--contains={commit}", "refs/heads")
    name = text_of(run_git(root, "for-each-ref", *words, ok=None)).strip()
    return "" if not name or is_ancestor(root, commit) else name


def is_clean(root: Path) -> bool:
    """True when nothing below ``root`` differs from HEAD and nothing is untracked. ``.wfe/`` never counts.

    Every file is read: what the user's index says about files, by bits or by their times, has no effect. Left out by a
    sparse checkout is no difference.
    """
    require_repository(root)
    commit, quiet = head(root), quiet_filters(root)
    if commit is None:
        return not changes(root)
    if not _is_nothing_staged(root, commit):
        return False
    with tempfile.TemporaryDirectory(prefix="wfe-index-", ignore_cleanup_errors=True) as folder:
        fresh = quiet | {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        run_git(root, "read-tree", commit, env=fresh)
        lines = _status(root, fresh)
    if lines and is_set(root, "core.sparsecheckout", "false"):
        listed = text_of(run_git(root, "ls-files", "-z", "-t", "--full-name", "--", ".", NOT_OURS)).split("\0")
        left_out = {line[2:] for line in listed if line.startswith("S ")}
        lines = [line for line in lines if not (line.startswith(" D ") and line[3:] in left_out)]
    return not lines


def lacks_our_folder(root: Path) -> bool:
    """Whether a sparse checkout has left out ``.wfe/``."""
    if (root / ".wfe").exists() or head(root) is None:
        return False
    return text_of(run_git(root, "ls-files", "-t", "--", ".wfe", ok=None)).startswith("S ")


def changes(root: Path, at: Path | None = None) -> list[str]:
    """What is not committed below ``root``, a line of ``git status --porcelain`` each. No filter of the repository runs.

    ``at``: below another folder, by the git of ``root``: no program of the project is taken for it.
    """
    return _status(root, quiet_filters(root, at), at)


def _status(root: Path, env: Mapping[str, str], at: Path | None = None) -> list[str]:
    # "dirty": to look inside a submodule, git would run status there, with the filters of its configuration.
    options = ("--porcelain", "-z", "--untracked-files=normal", "--ignore-submodules=dirty", "--no-renames")
    return [
        line
        for line in text_of(
            run_git(root, "-C", str(at or root), "status", *options, "--", ".", NOT_OURS, env=env)
        ).split("\0")
        if line
    ]


def _is_nothing_staged(root: Path, commit: str) -> bool:
    words = ("--cached", "--quiet", "--ignore-submodules=none", "--no-ext-diff", commit, "--", ".", NOT_OURS)
    done = run_git(root, "diff-index", *words, ok=(0, 1))
    return done is not None and done.returncode == 0


def commits_between(root: Path, base: str | None, tip: str = "HEAD") -> list[str]:
    """The commits reachable from ``tip`` and not from ``base``, oldest first; all of them when ``base`` is None."""
    require_repository(root)
    span = [tip] if base is None else [tip, f"^{base}"]
    return text_of(_through_history(root, (0,), "rev-list", "--reverse", "--end-of-options", *span)).split()


def first_parents(root: Path, tip: str, *commits: str) -> list[str]:
    """The commits on the line of first parents that ends at ``tip``, newest first, up to the first that one of ``commits`` has too.

    None where no commit of the line is one of those.
    """
    newer = history(root, "--first-parent", "--end-of-options", tip, *(f"^{commit}" for commit in commits))
    shared = commit_of(root, f"{newer[-1]}^") if newer else tip
    return [*newer, shared] if shared else []


def history(root: Path, *span: str) -> list[str]:
    """The commits that ``git rev-list`` names for ``span``, each before its parents."""
    require_repository(root)
    return text_of(_through_history(root, (0,), "rev-list", "--topo-order", *span)).split()


@dataclass(frozen=True, slots=True)
class CommitLine:
    """A commit in a line. ``at``: when it was committed, ISO 8601."""

    commit: str
    at: str
    subject: str


def last_commits(root: Path, base: str | None, since: datetime, count: int) -> tuple[CommitLine, ...]:
    """The newest commits, newest first: those not reachable from ``base``, without one those made since ``since``.

    None without git or before the first commit.
    """
    if repository(root) is None or head(root) is None:
        return ()
    span = [f"--since={since.isoformat()}", "--end-of-options"] if base is None else ["--end-of-options", f"^{base}"]
    words = (
        "log",
        f"--max-count={count}",
        "--no-color",
        "--no-show-signature",
        "--no-notes",
        "--format=%h%x00%cI%x00%s",
    )
    lines = text_of(_through_history(root, (0,), *words, *span, "HEAD")).splitlines()
    return tuple(CommitLine(*parts) for line in lines if len(parts := line.split("\0")) == 3)


def commit_message(root: Path, commit: str = "HEAD") -> str:
    """The message of a commit, without its last line break."""
    return next(iter(commit_messages(root, [commit]).values()))


def commit_messages(root: Path, commits: Sequence[str]) -> dict[str, str]:
    """The messages of commits by their full ids, in this order, as ``commit_message`` returns one; all read by one process of git."""
    require_repository(root)
    if not commits:
        return {}
    words = ("log", "--no-walk=unsorted", "--stdin", "-z", "-s", "--no-notes", "--format=%H%n%B")
    output = text_of(run_git(root, *words, stdin=os.fsencode("".join(f"{commit}\n" for commit in commits))))
    lines = (line.partition("\n") for line in output.split("\0") if line)
    return {commit: message.rstrip("\n") for commit, _, message in lines}


def is_ancestor(root: Path, ancestor: str, descendant: str = "HEAD") -> bool:
    """True when moving from ``ancestor`` to ``descendant`` is a fast-forward."""
    require_repository(root)
    words = ("merge-base", "--is-ancestor", "--end-of-options", ancestor, descendant)
    done = _through_history(root, (0, 1), *words)
    return done is not None and done.returncode == 0


def _through_history(root: Path, ok: Sequence[int], *words: str) -> subprocess.CompletedProcess[bytes] | None:
    """Run git without the list of commits whose parents are cut off; with it only where parents are really missing."""
    done = run_git(root, *words, env={"GIT_SHALLOW_FILE": ""}, ok=None)
    return done if done is None or done.returncode in ok else run_git(root, *words, ok=ok)


def _head(root: Path) -> Head | None:
    repo = repository(root)
    return head_of(repo.index.parent, repo.common) if repo is not None else None
