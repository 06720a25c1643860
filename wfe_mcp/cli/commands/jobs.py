"""``wfe-mcp jobs``: enqueue questions to models; list, show, wait for and cancel background jobs."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Limit, Reason, refuse_unknown
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.waiting import at_work
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import duration, plural

if TYPE_CHECKING:
    from wfe_mcp.views.project.jobs import JobRow

Job = Annotated[str, typer.Argument(metavar="JOB", help="The job, or the first characters of its id.")]
Jobs = Annotated[
    list[str] | None, typer.Argument(metavar="[JOB]...", help="Jobs, by the first characters of their ids.")
]
OfRun = Annotated[str, typer.Option("--run", metavar="RUN", help="Only jobs of this run.")]
AllOfRun = Annotated[str, typer.Option("--run", metavar="RUN", help="Every queued or running job of this run.")]
Queue = Annotated[
    list[str] | None, typer.Option("--queue", metavar="QUEUE", help="Only jobs of this queue; repeatable.")
]
Status = Annotated[
    list[str] | None, typer.Option("--status", metavar="STATUS", help="Only jobs in this status; repeatable.")
]
Everything = Annotated[bool, typer.Option("--all", help="Every queued or running job of this project.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0, metavar="SECONDS", help="The longest to wait.")]
Question = Annotated[str, typer.Argument(metavar="[TEXT]", help="The question; else --path names a file with it.")]
Path_ = Annotated[str, typer.Option("--path", "--file", metavar="FILE", help="A file with the question.")]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="The role or provider that answers.")]
Priority = Annotated[str, typer.Option("--priority", metavar="WORD", help="critical, high, normal or low.")]
Most = Annotated[float | None, typer.Option("--timeout", min=1, metavar="SECONDS", help="The longest that it may run.")]


def list_all(
    invocation: Invocation, run: OfRun = "", queue: Queue = None, status: Status = None, limit: Limit = 20
) -> None:
    """List the jobs of this project, newest first, and its queues."""
    from wfe_mcp.engine.background.queues import job_overviews, queues_now
    from wfe_mcp.views.project.jobs import job_rows

    overviews = job_overviews(
        invocation.engine, kinds=_words(queue), statuses=_statuses(status), run=run, limit=limit + 1
    )
    rows, queues = job_rows(invocation.engine, overviews[:limit]), queues_now(invocation.engine)

    def render(screen: Screen) -> None:
        heads = ("job", "kind", "state", "priority", "run", "phase", "queue", "position")
        screen.table(heads, [_line(row) for row in rows], empty="No jobs.")
        if len(overviews) > limit:
            screen.line(f"The newest {plural(limit, 'job')}; --limit N shows more.", "dim")
        screen.table(
            ("queue", "waiting", "running", "average wait", "average run"),
            [
                (line.queue, line.waiting, line.running, _average(line.average_wait_s), _average(line.average_run_s))
                for line in queues
            ],
        )

    invocation.answer(plural(len(rows), "job"), render, view={"jobs": rows, "queues": queues})


def enqueue(
    invocation: Invocation,
    role: Role,
    text: Question = "",
    path: Path_ = "",
    priority: Priority = "normal",
    timeout: Most = None,
) -> None:
    """Put a question to a model into the queue.

    Jobs of a higher priority run first, equal ones in their order. A server or `wfe-mcp worker` works them, and
    `wfe-mcp jobs wait JOB` does while it waits for the answer.
    """
    from wfe_mcp.engine.background.queues import enqueue as put, find_job
    from wfe_mcp.views.project.jobs import job_view

    if bool(text) == bool(path):
        raise Refused("bad_argument", "Give either a text or --path FILE.", "wfe-mcp jobs enqueue --role ROLE TEXT")
    engine = invocation.engine
    job = put(engine, invocation.by, text or _read(path), role=role, priority=priority, timeout_s=timeout)
    view = job_view(engine, find_job(engine, job.id))
    summary = f"Enqueued {job.id} ({view.row.priority}), position {view.row.position}"
    with engine.store.read() as tx:
        is_worked = engine.has_worker(tx)

    def render(screen: Screen) -> None:
        screen.line(summary)
        if not is_worked:
            screen.line(
                "  ! No process works the queue of this project: wait for the job, or start wfe-mcp worker.", "yellow"
            )
        screen.next(f"wfe-mcp jobs wait {job.id}")

    invocation.answer(summary, render, view=view)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Refused("bad_argument", f"{path} cannot be read: {why}.", "Name a text file.") from None


def show(invocation: Invocation, job: Job) -> None:
    """Show one job: its state, position, estimate, input and result."""
    from wfe_mcp.engine.background.queues import find_job
    from wfe_mcp.views.moves.envelope import Envelope
    from wfe_mcp.views.project.jobs import job_view

    view = job_view(invocation.engine, find_job(invocation.engine, job))
    answer = Envelope(True, summary=f"Job {view.row.job} ({view.row.kind}): {view.row.state}", view=view)

    def render(screen: Screen) -> None:
        screen.line(answer.summary, view.row.state)
        for key, value in answer.data.items():
            if key not in {"job", "kind", "state"}:
                screen.line(f"  {key}: {value}")

    invocation.render(answer, render)


def wait(invocation: Invocation, job: Job, timeout: Timeout = 120.0) -> None:
    """Wait until a job has ended, and work this project's queue meanwhile.

    It works phases only to wait for a job of one. A step that runs here ends first, also after --timeout: what it calls may have
    taken effect.
    Exit code 0: done; 1: failed, cancelled or still open.
    """
    from wfe_mcp.engine.background.daemon import PHASES
    from wfe_mcp.engine.background.queues import find_job
    from wfe_mcp.store.records.jobs import JobStatus
    from wfe_mcp.views.moves.envelope import Envelope
    from wfe_mcp.views.project.jobs import job_view

    end, overview = time.monotonic() + timeout, find_job(invocation.engine, job)
    is_of_a_phase = overview.job.kind in PHASES
    text = f"Job {job} is running; Ctrl-C returns it to the queue"
    with at_work(invocation, phases=is_of_a_phase) as pause, invocation.screen.busy(text):
        while overview.job.status in {JobStatus.QUEUED, JobStatus.RUNNING} and time.monotonic() < end:
            pause()
            overview = find_job(invocation.engine, job)
    view = job_view(invocation.engine, overview)
    summary = f"Job {view.row.job} ({view.row.kind}): {view.row.state}" + (f": {view.error}" if view.error else "")
    answer = Envelope(overview.job.status is JobStatus.DONE, summary=summary, view=view)
    text = (overview.job.result or {}).get("text")
    invocation.render(answer, (lambda screen: screen.print_quoted(text)) if isinstance(text, str) else None)


def cancel(
    invocation: Invocation, jobs: Jobs = None, run: AllOfRun = "", everything: Everything = False, reason: Reason = ""
) -> None:
    """Cancel jobs; a running one ends with every process that it started.

    A cancelled gate has the verdict error; a phase whose other work was cancelled waits for you.
    """
    from wfe_mcp.engine.background.daemon import gave_up_of
    from wfe_mcp.engine.background.queues import cancel_job, job_overviews
    from wfe_mcp.store.records.jobs import JobStatus

    wanted = list(jobs or [])
    if run or everything:
        is_open = (JobStatus.QUEUED, JobStatus.RUNNING)
        overviews = job_overviews(
            invocation.engine, statuses=is_open, run=invocation.resolve_run(run) if run else "", limit=10_000
        )
        wanted += [overview.job.id for overview in overviews if overview.job.kind not in {"timer", "files"}]
    elif not wanted:
        raise Refused("bad_argument", "No job is named.", "Name a job, a run with --run, or --all: wfe-mcp jobs list")
    ended = [
        cancel_job(invocation.engine, invocation.by, job_id, gave_up_of(invocation.engine), reason) for job_id in wanted
    ]
    states = [
        {"job": job.id, "state": "cancelling" if job.status is JobStatus.RUNNING else str(job.status)} for job in ended
    ]
    summary = ", ".join(f"{state['job']}: {state['state']}" for state in states) or "No queued or running job."
    invocation.answer(summary, data={"jobs": states})


def _words(given: list[str] | None) -> list[str]:
    return [word for words in given or [] for word in words.split(",") if word]


def _statuses(given: list[str] | None) -> list[Any]:
    from wfe_mcp.store.records.jobs import JobStatus

    names = _words(given)
    for name in names:
        refuse_unknown(name, list(JobStatus), f"{name!r} is not a status of a job.")
    return [JobStatus(name) for name in names]


def _line(row: "JobRow") -> tuple[object, ...]:
    position = str(row.position) if row.position else f"at {row.run_at[11:19]}Z" if row.run_at else "-"
    position += "" if row.estimate_s is None else f", about {duration(row.estimate_s)}"
    queue = f"{row.queue}: {row.runner}" if row.runner else row.queue
    return row.job[:12], row.kind, row.state, row.priority, row.run or "", row.phase or "", queue, position


def _average(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)
