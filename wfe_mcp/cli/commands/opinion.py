"""``wfe-mcp opinion``: ask other models, read their opinions, answer in place of a model, overrule an opinion gate."""

from pathlib import Path
from typing import Annotated, Any

import typer

from wfe_mcp.cli.commands.control import say_what_follows
from wfe_mcp.cli.commands.submit import in_project
from wfe_mcp.cli.terminal.authorize import authorize
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Phase, PinFd, Reason, Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.waiting import wait_for_gates, wait_for_opinions
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.units import plural

SomeRun = Annotated[str, typer.Argument(metavar="[RUN]", help="A run; without it only the question is asked.")]
SomePhase = Annotated[str, typer.Argument(metavar="[PHASE]", help="One of its phases.")]
Question = Annotated[
    str, typer.Option("--question", metavar="TEXT", help="What to ask; without it whether the work may continue.")
]
Reviewers = Annotated[
    list[str] | None,
    typer.Option(
        "--reviewer", metavar="NAME", help="A configured role or provider; repeatable. Default: the first role."
    ),
]

Answer = Annotated[
    str, typer.Option("--path", "--file", metavar="FILE", help="The answer. Default: the file that the question names.")
]
AskedReviewer = Annotated[str, typer.Option("--reviewer", metavar="NAME", help="Who is waited for, where several are.")]


def ask(
    invocation: Invocation,
    run: SomeRun = "",
    phase: SomePhase = "",
    question: Question = "",
    reviewer: Reviewers = None,
) -> None:
    """Ask other models about a phase, a run or a question.

    The answers are advice; no gate uses them.
    """
    from wfe_mcp.engine.evaluation.second_opinion import ask as put
    from wfe_mcp.views.answers.opinions import opinion_answer

    engine, run = invocation.engine, invocation.resolve_run(run, phase) if run else ""
    job = put(engine, invocation.by, run=run, phase=phase, question=question, reviewers=reviewer or ())
    wait_for_opinions(invocation, job)
    answer = opinion_answer(engine, job, question)
    if answer.error is not None:
        raise answer.error
    invocation.render(answer, lambda screen: _render(screen, answer.data["opinions"]))


def show(invocation: Invocation, run: Run, phase: SomePhase = "") -> None:
    """Show every opinion about a run or phase, oldest first."""
    from wfe_mcp.engine.evaluation.second_opinion import known_opinions

    run = invocation.resolve_run(run, phase)
    opinions = known_opinions(invocation.engine, run, phase or None)
    summary = plural(len(opinions), "opinion")
    invocation.answer(
        summary,
        lambda screen: _render(screen, opinions) if opinions else screen.line(summary),
        data={"opinions": opinions},
        run=run,
    )


def answer(
    invocation: Invocation,
    run: Run,
    phase: Phase,
    path: Answer = "",
    reviewer: AskedReviewer = "",
    pin_fd: PinFd = None,
) -> None:
    """Give the opinion that a `manual` reviewer is asked for.

    It asks for your PIN, and waits for the gate. `status` shows the question's file.
    """
    from wfe_mcp.engine.evaluation.opinion_by_hand import open_question, refuse_no_opinion, take_opinion

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    record = invocation.record(run)
    assert record is not None, "it was found above"
    file = in_project(path, Path(record.worktree)) if path else ""
    question = open_question(engine, run, phase, reviewer)
    if question.is_changed:
        invocation.screen.talk(f"Warning: {question.asked.question} has changed since it was written.")
    refuse_no_opinion(engine, run, phase, question, file)
    by = invocation.person(pin_fd, f"give an opinion on {phase}")
    opinion = take_opinion(engine, by, run, phase, path=file, reviewer=question.asked.reviewer, shown=question.sha256)
    assert opinion.attempt is not None
    wait_for_gates(invocation, run, phase, opinion.attempt)
    invocation.outcome(phase, f"Took the opinion of {opinion.reviewer} on {phase}: {opinion.verdict}")


def overrule(invocation: Invocation, run: Run, phase: Phase, reason: Reason, pin_fd: PinFd = None) -> None:
    """Overrule the opinion gate of a phase.

    It asks for your PIN; the reason stays visible.
    """
    from wfe_mcp.core.commands import Overrule
    from wfe_mcp.engine.runs import control

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    probe = Overrule(phase=PhasePath(phase), reason=reason, by=invocation.by, at=engine.clock())
    say_what_follows(invocation, run, "overrule", phase)
    by = authorize(invocation, run, probe, pin_fd, f"overrule the opinion on {phase}")
    control.overrule(engine, by, run, phase, reason)
    invocation.outcome(phase, f"Overruled the opinion on {phase}")


def _render(screen: Screen, opinions: list[dict[str, Any]]) -> None:
    from wfe_mcp.gates.opinion import who_answered

    for row in opinions:
        opinion = row.get("opinion")
        place = f" on {row['phase']} (attempt {row['attempt']})" if row.get("phase") else ""
        if opinion is None:
            screen.line(f"{row['reviewer']}: {row['fault']}", "yellow")
            continue
        who = who_answered(row["provider"], row["model"], row.get("answered_by"))
        advice = ", advice," if row.get("asked_by") == "call" else ""
        screen.line(f"{row['reviewer']} ({who}){advice}{place}: {opinion['verdict']}", "bold")
        if opinion.get("summary"):
            screen.line(f"  {opinion['summary']}")
        for finding in opinion["findings"]:
            screen.line(f"  {_finding(finding)}")
        if opinion.get("more_findings"):
            screen.line(f"  and {opinion['more_findings']} more")
        if opinion.get("suggestion"):
            screen.line("  suggests:")
            screen.lines(opinion["suggestion"], "    ")


def _finding(finding: dict[str, Any]) -> str:
    line = f":{finding['line']}" if finding.get("line") else ""
    where = f"{finding['file']}{line}: " if finding.get("file") else ""
    advice = f" ({finding['recommendation']})" if finding.get("recommendation") else ""
    return f"{finding['severity']}: {where}{finding['title']}{advice}"
