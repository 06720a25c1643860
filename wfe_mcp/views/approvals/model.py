"""What a person is about to decide, as one value: every interface renders it, and its sha256 names what was shown.

    question, goal     what is asked, of which run, with which inputs
    unusual            what removes, weakens or goes round a gate, worst first
    not done           phases and gates of the whole run that did not happen, and whose doing that was
    change             the files that differ since the run began, and since the last approval
    target             what an approval lets the server call, with every value, and at which commit
    prompt, artifact   the exact bytes that the decision is about
    earlier            artifacts that the run made before
    evidence           one line per gate, opinions, earlier attempts, attached files

Fields are facts: no widths, colours, relative times or cuts. So the same decision has the same sha256 in every interface.
"""

from typing import Any, Literal

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.engine.artifacts.step_target import TargetCall
from wfe_mcp.views.runs.inputs import Input
from wfe_mcp.views.runs.requests import Unusual
from wfe_mcp.views.values.diff import ChangeJson
from wfe_mcp.views.values.model import plain
from wfe_mcp.workspace.git.file_diffs import FileDiff

GateState = Literal["pass", "fail", "skipped", "warning", "not run", "awaiting"]
NotDoneState = Literal["skipped", "overruled"]
_REPORTS = {"change@1", "failing_test@1", "report"}
"""The schemas of artifacts that say what was done to the files."""


@dataclass(frozen=True, slots=True)
class Named:
    """A fact with its name: a detail of a gate."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class NotDone:
    """A phase, or a ``gate`` of it, that did not happen. ``by``: whose doing it was; empty for the template's own rules.

    ``times``: how often, over the items of loops. ``is_new``: since the last decision on this run.
    """

    phase: str
    state: NotDoneState
    why: str
    gate: str = ""
    by: str = ""
    at: str = ""
    times: int = 1
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """The files that differ between tree ``before`` and what is decided. ``since``: the moment of ``before``.

    ``watched``: files that git ignores, or the server cannot read, and a check may read, by path; each is ``new``,
    ``changed`` or ``removed``. Their content is not shown, it may be a secret. ``note``: why the files cannot be compared.
    ``commits``: what of it git's HEAD lacks, in a sentence; empty where it has all.
    """

    since: str
    before: str = ""
    after: str = ""
    files: tuple[FileDiff, ...] = ()
    note: str = ""
    watched: tuple[Named, ...] = ()
    commits: str = ""

    @property
    def added(self) -> int:
        """New lines, over all files."""
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        """Removed lines, over all files."""
        return sum(file.removed for file in self.files)

    @property
    def has_lines(self) -> bool:
        """Whether the lines of a file were compared, so that they can be counted."""
        return any(file.kind == "text" for file in self.files)


@dataclass(frozen=True, slots=True)
class DeploymentShown:
    """What a deployment would change. ``commits``: the newest of those since ``before``; ``items``: the work items that they
    are for; ``evidence``: what the checks of their runs showed; ``rollback``: what rolling back would do.
    ``more_commits``: how many there are besides; ``unknown``: why it is not known that ``before`` still runs there.
    """

    environment: str
    address: str
    commit: str
    before: str
    commits: tuple[str, ...]
    items: tuple[str, ...]
    evidence: tuple[str, ...]
    rollback: str
    more_commits: int = 0
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What an approval of steps lets the server do, and nothing else. ``head``: the commit that it is about; empty without git."""

    calls: tuple[TargetCall, ...]
    head: str = ""
    deployments: tuple[DeploymentShown, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text that the agent gets. ``text`` None: ``file`` no longer holds what the gates judged.

    ``editable``: a person can edit it. ``edited``: one did. ``suggested_by``: the reviewer whose text it is.
    ``changes``: how it differs from what the template makes, where it does (``views/values/diff.py``).
    """

    sha256: str
    file: str
    text: str | None = None
    editable: bool = False
    edited: bool = False
    suggested_by: str = ""
    changes: tuple[ChangeJson, ...] = ()


@dataclass(frozen=True, slots=True)
class ArtifactShown:
    """An artifact. ``schema``: a shipped name, or ``inline``. ``file``: the copy that may be edited, if the template allows it.

    ``against``: the revision before, 0 for none; ``changes``: how it differs (``views/values/diff.py``). ``approved``: the
    decision that accepted it, empty without one. ``written``: changed files with exactly its text. ``questions``: what it leaves open.
    ``claimed``: by field, what it says that the server did not see.
    """

    name: str
    phase: str
    attempt: int
    revision: int
    schema: str
    sha256: str
    content: Any
    file: str = ""
    against: int = 0
    changes: tuple[ChangeJson, ...] = ()
    approved: str = ""
    written: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    claimed: tuple[Named, ...] = ()

    @property
    def is_document(self) -> bool:
        """Whether it is read for itself: before the files that hold it, where other artifacts report about the files."""
        return self.schema not in _REPORTS


@dataclass(frozen=True, slots=True)
class GateEvidence:
    """One gate and what it found. ``details``: facts of its evidence, for who wants them. ``level``: of the evidence.

    ``made_by``: the process that made the evidence, as its seal says; empty for a gate without evidence.
    """

    gate: str
    state: GateState
    text: str = ""
    at: str = ""
    details: tuple[Named, ...] = ()
    level: str = ""
    made_by: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a reviewer. ``place``: file and line, empty if none."""

    severity: str
    title: str
    place: str = ""
    detail: str = ""
    recommendation: str = ""


@dataclass(frozen=True, slots=True)
class OpinionShown:
    """What a reviewer says. A reviewer who was not asked, or did not answer, has no verdict.

    ``model``: the one that answered, as its provider reports it, and the one that was asked where they differ.
    ``source``: its address, or its program with the SHA-256; empty for a person, and in opinions of earlier versions.
    ``is_advice``: a person or an agent asked for it, and no gate counts it.
    """

    reviewer: str
    model: str
    state: GateState
    summary: str = ""
    findings: tuple[Finding, ...] = ()
    suggestion: str = ""
    source: str = ""
    is_advice: bool = False


@dataclass(frozen=True, slots=True)
class AttachmentShown:
    """A file that was attached to the attempt. ``by``: who attached it, and how."""

    number: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class AttemptShown:
    """An earlier attempt at the phase, and how it ended. ``reason``: its first line. ``whole``: of one that was sent back all of it, where it has more."""

    number: int
    state: str
    reason: str = ""
    whole: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """What ``phase`` asks the person to decide. ``stage``: before (the work) or after (the artifact). ``project``: its name.

    ``effect`` and ``send_back``: what an approval and a rejection lead to. ``assurance`` and ``phrase`` are what the gate
    asks for; ``sha256``, ``tree`` and ``target`` what an approval binds. ``target`` None: no steps are approved.
    """

    run: str
    project: str
    title: str
    template: str
    phase: str
    attempt: int
    stage: str
    question: str
    effect: str
    assurance: str
    sha256: str
    send_back: str = ""
    phrase: str = ""
    tree: str = ""
    inputs: tuple[Input, ...] = ()
    unusual: tuple[Unusual, ...] = ()
    not_done: tuple[NotDone, ...] = ()
    target: Target | None = None
    changes: tuple[Change, ...] = ()
    prompt: Prompt | None = None
    artifact: ArtifactShown | None = None
    earlier: tuple[ArtifactShown, ...] = ()
    evidence: tuple[GateEvidence, ...] = ()
    opinions: tuple[OpinionShown, ...] = ()
    attempts: tuple[AttemptShown, ...] = ()
    attachments: tuple[AttachmentShown, ...] = ()


def shown_sha256(view: ApprovalView) -> str:
    """The sha256 that names what the person saw: of the canonical JSON of ``view``."""
    return sha256_of(plain(view))
