"""The ``git`` gate: rules for the state of the repository.

clean         no change is uncommitted (``.wfe/`` does not count)
branch        the branch checked out; a glob is allowed
one_commit    exactly one commit since the attempt's start
message       the first line of the newest commit begins with this text
fast_forward  true: HEAD descends from the commit at the attempt's start; a name: HEAD descends from that branch
"""

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.texts import in_short
from wfe_mcp.gates.judgement import Judgement, failed, passed, undecided
from wfe_mcp.gates.scene import GateScene
from wfe_mcp.workflow.model.gates import GitGate
from wfe_mcp.workspace.git import repository as git

KIND = "git"
_NAMED = 3
_SUBJECT_CHARS = 60


@dataclass(frozen=True, slots=True)
class _Repository:
    root: Path
    head: str
    head_at_start: str | None

    @property
    def has_commit(self) -> bool:
        """Something was committed since the attempt's start, or it is not known what was there then."""
        return self.head != self.head_at_start


@dataclass(frozen=True, slots=True)
class _Fault:
    reason: str
    next_step: str


def judge(gate: GitGate, scene: GateScene) -> Judgement:
    """Judge the repository of the project."""
    root, head_at_start = scene.root, scene.head_at_start
    head = git.head(root)
    if head is None:
        why, commands = git.why_no_repository(root)
        step = " or ".join(commands)
        if commands == ("git init",):
            why, step = ("the project is not a git repository, or has no commit yet", f"{step}, and a first commit")
        return undecided(
            KIND, f"Git gate: {why}.", f"ask the user to do this in the project: {step}; then retry the phase."
        )
    repository = _Repository(root, head, head_at_start)
    faults = [fault for rule in _RULES for fault in rule(gate, repository)]
    data: dict[str, Any] = {
        "head": {"before": head_at_start, "after": head},
        "branch": git.branch(root),
        "message": git.commit_message(root, head).partition("\n")[0],
        "faults": [fault.reason for fault in faults],
    }
    if not faults:
        return passed(KIND, "All git rules hold.", data)
    reasons = "; ".join(fault.reason for fault in faults)
    steps = ", then ".join(fault.next_step for fault in faults)
    return failed(KIND, f"Git gate: {reasons}.", f"{steps}.", data)


def _clean(gate: GitGate, repository: _Repository) -> Iterator[_Fault]:
    if gate.clean and not git.is_clean(repository.root):
        yield _Fault("there are uncommitted changes", "commit them or undo them")


def _branch(gate: GitGate, repository: _Repository) -> Iterator[_Fault]:
    if gate.branch is None:
        return
    branch = git.branch(repository.root)
    if branch is None or not fnmatchcase(branch, gate.branch):
        shown = "HEAD is detached" if branch is None else f"the branch is {branch!r}"
        # Done in this order it leaves no commit on the wrong branch, and amends none of another's.
        along = (
            "with your commit on it (`git switch -c` makes one here; `git cherry-pick` takes the commit to one that exists)"
            if repository.has_commit
            else "(uncommitted changes come along)"
        )
        yield _Fault(f"{shown}, expected {gate.branch!r}", f"switch to a branch that matches {gate.branch!r} {along}")


def _one_commit(gate: GitGate, repository: _Repository) -> Iterator[_Fault]:
    if not gate.one_commit:
        return
    root, start = repository.root, repository.head_at_start
    commits = git.commits_between(root, start, repository.head)
    if not commits:
        yield _Fault("0 commits since the attempt's start, expected exactly one", "commit the work")
    elif len(commits) > 1:
        # After a pull, merge or rebase in the middle of the work some are of others: squashed, they would be its own.
        messages = git.commit_messages(root, commits[: -_NAMED - 1 : -1])
        subjects = (message.partition("\n")[0] for message in messages.values())
        more = f" and {len(commits) - _NAMED} more" if len(commits) > _NAMED else ""
        shown = f"newest first: {', '.join(repr(in_short(subject, _SUBJECT_CHARS)) for subject in subjects)}{more}"
        base = f" on top of {start[:12]}" if start else ""
        yield _Fault(
            f"{len(commits)} commits since the attempt's start ({shown}), expected exactly one",
            f"squash your own work into one commit{base}, and leave out what others committed",
        )


def _message(gate: GitGate, repository: _Repository) -> Iterator[_Fault]:
    if gate.message is None:
        return
    subject = git.commit_message(repository.root, repository.head).partition("\n")[0]
    if not subject.startswith(gate.message):
        yield _Fault(
            f"the newest commit's message is {subject!r}, expected it to begin with {gate.message!r}",
            "amend its message" if repository.has_commit else f"begin the message of your commit with {gate.message!r}",
        )


def _fast_forward(gate: GitGate, repository: _Repository) -> Iterator[_Fault]:
    if gate.fast_forward is False:
        return
    base = repository.head_at_start if gate.fast_forward is True else gate.fast_forward
    shown = "the commit at the attempt's start" if gate.fast_forward is True else f"branch {base!r}"
    if base is not None and not git.is_ancestor(repository.root, base, repository.head):
        yield _Fault(f"HEAD does not descend from {shown}", f"rebase onto {base}")


_RULES: tuple[Callable[[GitGate, _Repository], Iterator[_Fault]], ...] = (
    _branch,
    _clean,
    _one_commit,
    _message,
    _fast_forward,
)
