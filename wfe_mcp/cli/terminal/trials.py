"""Trials of checks at the terminal: what would run, how it ended, and what to add for a check that was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.cli.terminal.confirm import user_agrees
from wfe_mcp.core.units import duration, join_names, plural
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.engine.checks.trial import Trial
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.workspace.discovery.found_checks import FoundCheck

_WORDS = {"passed": "pass", "red": "warning", "not_tried": "not run"}


def show_checks(screen: Screen, checks: Sequence[FoundCheck]) -> None:
    """The commands that a trial would run, and its limits."""
    from wfe_mcp.engine.checks.trial import ALL_LIMIT_S, CHECK_LIMIT_S

    if not checks:
        return
    limits = f"at most {duration(CHECK_LIMIT_S)} each, {duration(ALL_LIMIT_S)} in all"
    write = screen.talk if screen.as_json else screen.line
    whose = "its" if len(checks) == 1 else "their"
    write(f"Found {plural(len(checks), 'check')}. A trial runs {whose} code once: {limits}.")
    write("One that fails runs again with your shell's variables, to find those it needs:")
    for check in checks:
        write(f"  {check.name}: {_command(check)}" + (f"   ({check.why})" if check.why else ""))
    screen.flush()  # nothing runs that is not on the screen


def trials_of(engine: Engine, screen: Screen, checks: Sequence[FoundCheck], *, yes: bool, skip: bool) -> list[Trial]:
    """Run each check once and show how it ended. The commands are on the screen already (``show_checks``).

    ``yes``: do not ask. ``skip``: run nothing; neither does a user who declines. Refuses without a terminal to ask at.
    """
    from wfe_mcp.cli.terminal.pin import own_terminal
    from wfe_mcp.engine.checks.trial import not_tried, try_checks

    if not checks:
        return []
    if skip or not (yes or user_agrees("Try them?")):
        return _show_trials(screen, not_tried(checks), engine.environment)
    trials: list[Trial] = []
    runs = try_checks(engine.root, checks, engine.environment)
    for check in checks:
        with own_terminal(), screen.busy(f"Trying {check.name}; Ctrl-C ends it and stores no check"):
            trials.append(next(runs))
    return _show_trials(screen, trials, engine.environment)


def _show_trials(screen: Screen, trials: list[Trial], environ: Mapping[str, str]) -> list[Trial]:
    from wfe_mcp.engine.checks.shell_environment import looks_secret

    if screen.as_json:  # the document has them
        return trials
    was_tried = any(trial.outcome != "not_tried" for trial in trials)
    screen.line("Tried the checks found here:" if was_tried else "Checks found here, not tried, so they may not work:")
    screen.table((), [_row(trial) for trial in trials], "  ", state_at=2)
    for trial in trials:
        if trial.changed:
            listed = ", ".join(trial.changed[:5]) + (" …" if len(trial.changed) > 5 else "")
            screen.line(f"  ! {trial.check.name} changed {plural(len(trial.changed), 'file')}: {listed}", "yellow")
            screen.line("    Its gate fails where it changes files again: list them in .gitignore, or in `writes`.")
    for needs in dict.fromkeys(trial.needs for trial in trials if trial.needs and trial.works):
        names = [trial.check.name for trial in trials if trial.needs == needs and trial.works]
        passed, them = ("is", "it") if len(needs) == 1 else ("are", "them")
        fail = "fails" if len(names) == 1 else "fail"
        screen.line(
            f"  {join_names(needs)} of your shell {passed} passed to {join_names(names)}, which {fail} without {them}"
        )
    for trial in trials:
        for name in trial.needs:
            if looks_secret(name, environ.get(name, "")):
                screen.line(
                    f"  ! {name} looks like a secret, and the code of check {trial.check.name} can read it", "yellow"
                )
    for trial in trials:
        if trial.place:
            screen.line(f"  {trial.check.name} runs in {trial.place}")
    return trials


def _row(trial: Trial) -> tuple[str, str, str, str]:
    left_out = "" if trial.works else "; left out"
    return (trial.check.name, _command(trial.check), _WORDS.get(trial.outcome, "fail"), f"{trial.message}{left_out}")


def show_left_out(screen: Screen, trials: Sequence[Trial]) -> None:
    """The last lines of each check that does not work, and the lines that add it as it is. The trials said why."""
    from wfe_mcp.workspace.config.config_file import table_lines

    left_out = [trial for trial in trials if not trial.works]
    if not left_out:
        return
    for trial in left_out:
        if trial.tail:
            screen.line(f"Last lines of {trial.check.name}:")
        for line in trial.tail.splitlines():
            screen.line(f"    {line}", "dim")
    screen.line("To correct a command: wfe-mcp config check NAME COMMAND")
    screen.line("To add what was left out as it is, write these lines into .wfe/config.toml, then: wfe-mcp trust")
    for trial in left_out:
        for line in table_lines(trial.check.name, trial.check.settings):
            screen.line(f"  {line}")


def repairs(trials: Sequence[Trial]) -> str:
    """What a person does about the checks that were tried and do not work; empty where there is none."""
    steps = [
        trial.repair or f"repair check {trial.check.name} ({_command(trial.check)})"
        for trial in trials
        if not trial.works and trial.outcome != "not_tried"
    ]
    return f"{join_names([*dict.fromkeys(steps)])}, then: wfe-mcp init" if steps else ""


def trial_view(trial: Trial) -> dict[str, Any]:
    """A trial as JSON. ``add``: the lines that add a check that was left out."""
    from wfe_mcp.workspace.config.config_file import table_lines

    check = trial.check
    view: dict[str, Any] = {
        "check": check.name,
        "kind": check.kind,
        "argv": list(check.settings.argv),
        "cwd": check.settings.cwd or ".",
        "outcome": trial.outcome,
        "stored": trial.works,
        "message": trial.message,
        "tests": trial.tests,
        "duration_s": trial.duration_s,
        "changed": list(trial.changed),
        "where": trial.check.settings.where,
        "bring": list(trial.check.settings.bring),
        "place": trial.place,
        "needs": list(trial.needs),
    }
    if not trial.works:
        view |= {"last_lines": trial.tail, "add": "\n".join(table_lines(check.name, check.settings))}
    return view


def _command(check: FoundCheck) -> str:
    words = shell_line(check.settings.argv)
    return f"{words} (in {check.settings.cwd})" if check.settings.cwd else words
