"""Trials of checks at the terminal: what would run, how it ended, and what to add for a check that was left out."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from wfe_mcp.cli.terminal.confirm import agreed
from wfe_mcp.core.units import duration, joined, plural

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
    write(f"Found {plural(len(checks), 'check')}. A trial runs their code once: {limits}.")
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
    if skip or not (yes or agreed("Try them?")):
        return _show_trials(screen, not_tried(checks), engine.environment)
    found: list[Trial] = []
    runs = try_checks(engine.root, checks, engine.environment)
    for check in checks:
        with own_terminal(), screen.busy(f"Trying {check.name}; Ctrl-C ends it and stores no check"):
            found.append(next(runs))
    return _show_trials(screen, found, engine.environment)


def _show_trials(screen: Screen, trials: list[Trial], environ: Mapping[str, str]) -> list[Trial]:
    from wfe_mcp.engine.checks.shell_environment import looks_secret

    if screen.as_json:  # the document has them
        return trials
    was_tried = any(each.outcome != "not_tried" for each in trials)
    screen.line("Tried the checks found here:" if was_tried else "Checks found here, not tried, so they may not work:")
    screen.table((), [_row(each) for each in trials], "  ")
    for each in trials:
        if each.changed:
            listed = ", ".join(each.changed[:5]) + (" …" if len(each.changed) > 5 else "")
            screen.line(f"  ! {each.check.name} changed {plural(len(each.changed), 'file')}: {listed}", "yellow")
            screen.line("    Its gate fails where it changes files again: list them in .gitignore, or in `writes`.")
    for needs in dict.fromkeys(each.needs for each in trials if each.needs and each.works):
        names = [each.check.name for each in trials if each.needs == needs and each.works]
        passed, them = ("is", "it") if len(needs) == 1 else ("are", "them")
        fail = "fails" if len(names) == 1 else "fail"
        screen.line(f"  {joined(needs)} of your shell {passed} passed to {joined(names)}, which {fail} without {them}")
    for each in trials:
        for name in each.needs:
            if looks_secret(name, environ.get(name, "")):
                screen.line(
                    f"  ! {name} looks like a secret, and the code of check {each.check.name} can read it", "yellow"
                )
    for each in trials:
        if each.place:
            screen.line(f"  {each.check.name} runs in {each.place}")
    return trials


def _row(trial: Trial) -> tuple[str, str, str, str]:
    left_out = "" if trial.works else "; left out"
    return (
        trial.check.name,
        _command(trial.check),
        _WORDS.get(trial.outcome, "fail"),
        f"{trial.message}{left_out}",
    )


def show_left_out(screen: Screen, trials: Sequence[Trial]) -> None:
    """The last lines of each check that does not work, and the lines that add it as it is. The trials said why."""
    from wfe_mcp.workspace.config.config_file import table_lines

    left_out = [each for each in trials if not each.works]
    if not left_out:
        return
    for each in left_out:
        if each.tail:
            screen.line(f"Last lines of {each.check.name}:")
        for line in each.tail.splitlines():
            screen.line(f"    {line}", "dim")
    screen.line("To add what was left out as it is, write into .wfe/config.toml:")
    for each in left_out:
        for line in table_lines(each.check.name, each.check.settings):
            screen.line(f"  {line}")


def repairs(trials: Sequence[Trial]) -> str:
    """What a person does about the checks that were tried and do not work; empty where there is none."""
    broken = [
        f"check {each.check.name} ({_command(each.check)})"
        for each in trials
        if not each.works and each.outcome != "not_tried"
    ]
    return f"repair {joined(broken)}, then: wfe-mcp init" if broken else ""


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
    words = shlex.join(check.settings.argv)
    return f"{words} (in {check.settings.cwd})" if check.settings.cwd else words
