"""What a server and its runners send each other: JSON, with a size for everything that comes from the other side.

    POST /runner/v1/claim          what the runner has  →  a task, or nothing yet
    POST …/jobs/ID/heartbeat       the last lines       →  whether to stop
    POST …/jobs/ID/end             the signed report    →  what the server made of it

The report says what ran and what came of it, never whether that is enough: the server judges (``from_runner.py``).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, StringConstraints

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.jobs.child import MAX_OUTPUT_BYTES
from wfe_mcp.workspace.config.checks import FrozenCheck, Name

FORMAT = "wfe-runner/1"
LEASE_S = 30.0
MAX_WAIT_S = 30.0
MAX_BODY_BYTES = 32_000_000
MAX_REPORTS_BYTES = 8_000_000
MAX_REPORTS = 500
TAIL_CHARS = 8_000

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Oid = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
Line = Annotated[str, StringConstraints(max_length=4_000)]
Key = Annotated[str, StringConstraints(max_length=100)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Message(BaseModel):
    """A message of the protocol: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(Message):
    """A runner asks for work. ``key``: the public half of its key. ``lease_s``: how long it may be silent."""

    labels: tuple[Name, ...] = Field(default=(), max_length=50)
    key: Key
    wait_s: float = Field(default=0, ge=0, le=MAX_WAIT_S)
    lease_s: float = Field(default=LEASE_S, ge=3, le=300)


class Task(Message):
    """A check to run. ``commit``: at ``ref`` of the project's repository; it has ``tree``, exactly.

    ``token``: opens this claim of this job alone. ``variables`` and ``files``: credentials that the check is given.
    """

    job: str
    fence: int
    project: str
    run: str
    phase: str
    attempt: int
    runner: str
    check: FrozenCheck
    tree: Oid
    commit: Oid
    ref: str
    token: str
    lease_s: float
    variables: dict[str, str] = {}
    files: dict[str, str] = {}

    def names(self) -> dict[str, Any]:
        """What the runner repeats in its report."""
        return self.model_dump(include={"job", "fence", "project", "run", "phase", "attempt", "runner", "tree"})


class Offer(Message):
    """The answer to a claim."""

    task: Task | None = None


class Heartbeat(Message):
    """The runner is alive. ``tail``: the last lines that the check printed, to be shown meanwhile."""

    tail: Annotated[str, StringConstraints(max_length=TAIL_CHARS)] = ""
    lease_s: float = Field(default=LEASE_S, ge=3, le=300)


class Pulse(Message):
    """``cancel``: end the check; nobody waits for its result."""

    cancel: bool


class Statement(Message):
    """What a runner signs: what it ran, on which tree, and what came of it.

    ``changed``: files of the tree that were written. ``root``: where the tree was. ``reports``: sha256 by path, below
    ``files/`` (of the project) or ``reports/`` (those that the runner asked for). ``place``: level, sandbox, program, variables.
    """

    format: Literal["wfe-runner/1"] = FORMAT
    job: Line
    fence: int
    project: Line
    run: Line
    phase: Line
    attempt: int
    runner: Line
    key: Key
    tree: Oid
    argv: tuple[Line, ...] = Field(max_length=1_000)
    argv_run: tuple[Line, ...] = Field(default=(), max_length=1_000)
    root: Line = ""
    exit_code: int | None = None
    timed_out: bool = False
    duration_s: float = Field(default=0, ge=0, le=1e7)
    output_bytes: int = Field(default=0, ge=0)
    log_sha256: Hash
    reports: dict[FilePath, Hash] = Field(default={}, max_length=MAX_REPORTS)
    changed: tuple[Line, ...] = Field(default=(), max_length=100)
    survivors: int = 0
    place: dict[str, Any] = {}
    notes: tuple[Line, ...] = Field(default=(), max_length=50)
    fault: Line = ""
    next_step: Line = ""
    no_program: bool = False

    def to_sign(self) -> bytes:
        """The bytes that are signed."""
        return signed_bytes(self.model_dump(mode="json"))


class Written(Message):
    """One report file."""

    path: FilePath
    content: Base64Bytes = Field(max_length=MAX_REPORTS_BYTES * 4 // 3 + 4)


class Report(Message):
    """The end of a check on a runner. ``signature``: of the statement, base64url."""

    statement: Statement
    signature: Key
    log: Base64Bytes = Field(default=b"", max_length=MAX_OUTPUT_BYTES * 3 // 2)
    reports: tuple[Written, ...] = Field(default=(), max_length=MAX_REPORTS)


class Ended(Message):
    """What the server made of the report: ``pass``, ``fail`` …; ``dropped`` where it was not needed any more."""

    verdict: str


class Waiting(Message):
    """The jobs of one project for one set of labels: what an autoscaler looks at."""

    project: str
    labels: tuple[str, ...]
    queued: int
    running: int
    oldest_wait_s: float


class AllWaiting(Message):
    """Every set of labels that a job waits for or runs with."""

    waiting: tuple[Waiting, ...]


def signed_bytes(statement: Mapping[str, Any]) -> bytes:
    """The bytes that are signed of a statement as it is kept in evidence."""
    return canonical_json(dict(statement)).encode()
