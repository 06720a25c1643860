"""``wfe-mcp config``: the settings of a project and the origin of each, its stack, checks and approval policy."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from wfe_mcp.cli.commands.project import show as show_project
from wfe_mcp.cli.terminal.changes import detail_views
from wfe_mcp.cli.terminal.confirm import require_confirmation
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Yes
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.runs.facts import correct_check, correct_fact, refuse_correction
from wfe_mcp.engine.runs.policy import ANY, Policy, change_policy, plan_policy_change, policy_written
from wfe_mcp.views.values.model import plain
from wfe_mcp.workspace.system.location import user_config_file
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from wfe_mcp.views.project.project import PolicyRules

Templates = Annotated[
    str, typer.Option("--templates", metavar="NAMES", help="What agents may start: names with commas, any, or none.")
]
Evidence = Annotated[
    Literal["any", "worktree", "checkout", "sandbox", "runner"] | None,
    typer.Option("--evidence", help="The least level of evidence of every check.", show_default=False),
]
OnMismatch = Annotated[
    Literal["warn", "block"] | None,
    typer.Option("--on-mismatch", help="When the file of an accepted artifact is changed later.", show_default=False),
]
FactName = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name in `wfe-mcp project show`, or one of your own.")
]
FactValue = Annotated[str, typer.Argument(metavar="[VALUE]", help="What holds.")]
CheckName = Annotated[str, typer.Argument(metavar="NAME", help="Its name in gates: test, lint, or one of your own.")]
CheckCommand = Annotated[str, typer.Argument(metavar="COMMAND", help="The command in quotes; no shell reads it.")]
RemoveFact = Annotated[bool, typer.Option("--remove", help="Undo the correction: what is found holds again.")]
Origin = Annotated[bool, typer.Option("--origin", help="Show the layer and file of each value.")]


def show(invocation: Invocation, origin: Origin = False) -> None:
    """List every setting of this project."""
    loaded = invocation.engine.settings()
    values: dict[str, Any] = {}
    for key, value in loaded.values().items():
        place = loaded.origins[key]
        values[key] = {"value": value, "origin": place.layer, "where": place.where} if origin else value
    problems = detail_views(loaded.problems)
    untrusted = [str(path) for path in loaded.untrusted]
    data = (
        {"settings": values}
        | ({"problems": problems} if problems else {})
        | ({"untrusted": untrusted} if untrusted else {})
    )

    def render(screen: Screen) -> None:
        if origin:
            rows = [
                (key, row["value"], " ".join(filter(None, (row["origin"], row["where"]))))
                for key, row in values.items()
            ]
            screen.table(("setting", "value", "from"), rows)
            own = user_config_file()
            screen.line(f"Your own configuration: {own}{'' if own.is_file() else ', which is not there yet'}")
        else:
            screen.table(("setting", "value"), list(values.items()))
        for path in untrusted:
            screen.line(screen.complete(f"! {path} has no effect until you trust it: wfe-mcp trust"), "yellow")
        for problem in problems:
            screen.line(f"! {problem['message']}", "yellow")

    invocation.answer(f"{len(values)} settings", render, data=data)


def project(invocation: Invocation) -> None:
    """Show what the project is, as `wfe-mcp project show` does.

    Nothing of the project runs.
    """
    show_project(invocation)


def fact(
    invocation: Invocation, name: FactName, value: FactValue = "", remove: RemoveFact = False, pin_fd: PinFd = None
) -> None:
    """Correct a fact of the project.

    Prompts and pages show it in place of what is found.

    It is kept in .wfe/config.toml, which your PIN trusts as it is then. --remove undoes it.
    """
    from wfe_mcp.views.project.project import project_view

    if bool(value) == remove:
        raise Refused(
            "bad_argument",
            "Name the value that holds, or --remove to undo the correction.",
            f"wfe-mcp config fact {name!r} VALUE",
        )
    engine, holding = invocation.engine, None if remove else value
    refuse_correction(engine, name, holding)  # no PIN for it
    correct_fact(engine, invocation.person(pin_fd, "correct a fact"), name, holding)
    view = project_view(engine)
    holds = next((known_fact.value for known_fact in view.facts if known_fact.name == name), "not known")
    invocation.answer(f"{name}: {holds}{' (as found)' if remove else ' (yours)'}", view=view)


def check(invocation: Invocation, name: CheckName, command: CheckCommand, pin_fd: PinFd = None) -> None:
    """Correct the command of a check, or add a check.

    It is kept in .wfe/config.toml, which your PIN trusts as it is then. The check's other keys stay. It is not tried: the next
    gate does, and wfe-mcp init never changes it. Open runs keep the command that they started with.
    """
    words = correct_check(invocation.engine, invocation.person(pin_fd, "correct a check"), name, command)
    invocation.answer(f"{name}: {shell_line(words)}", data={"check": name, "argv": list(words)})


def policy(
    invocation: Invocation,
    templates: Templates = "",
    evidence: Evidence = None,
    on_mismatch: OnMismatch = None,
    yes: Yes = False,
    pin_fd: PinFd = None,
) -> None:
    """Show or change the approval policy of this project.

    Without an option it shows what holds. With one it shows the change, says what weakens, asks, takes your PIN, writes
    .wfe/config.toml and trusts it as it is then. The file must be trusted before.
    """
    from wfe_mcp.cli.terminal.pin import at_terminal
    from wfe_mcp.views.project.project import planned_view, policy_view

    engine = invocation.engine
    if not (templates or evidence or on_mismatch):
        view = policy_view(engine)
        invocation.answer(
            "Approval policy", lambda screen: _show_policy(screen, view.in_force, view.written), view=view
        )
        return
    plan = plan_policy_change(engine, _policy_with(policy_written(engine), templates, evidence, on_mismatch))
    shown = planned_view(engine, plan)
    if not shown.changes:
        invocation.answer("The policy is so already.", view=policy_view(engine))
        return
    for change in shown.changes:
        line = f"  ~ {change.key}: {change.now}, was {change.was}" + (" (WEAKENS)" if change.weakens else "")
        invocation.screen.aside(line, "red" if change.weakens else "")
    if pin_fd is None and not at_terminal():
        raise Refused(
            "needs_human",
            "Only you change the approval policy.",
            f"In a terminal of your own: {shown.command}. In a browser: wfe-mcp ui",
            data=plain(shown),
        )
    weaker = sum(change.weakens for change in shown.changes)
    if weaker and pin_fd is None:  # --yes is not enough at a terminal
        changes = plural(weaker, "change that weakens it", "changes that weaken it")
        require_confirmation(f"Change it, with {changes}?", "weaken")
    elif not yes:
        require_confirmation("Change it?")
    change_policy(engine, invocation.person(pin_fd, "change the policy"), plan, shown.shown)
    view = policy_view(engine)
    headline = "Changed the approval policy."

    def render(screen: Screen) -> None:
        screen.line(headline, "bold")
        _show_policy(screen, view.in_force, view.written)

    invocation.answer(headline, render, view=view)


def _policy_with(now: "Policy", templates: str, evidence: str | None, on_mismatch: str | None) -> "Policy":
    """``now`` with what the options ask for."""
    if templates:
        names = tuple(name for template in templates.split(",") if (name := template.strip()) and name != "none")
        now = replace(now, templates=None if templates == ANY else names)
    if evidence:
        now = replace(now, evidence=None if evidence == ANY else cast("Any", evidence))
    return replace(now, on_mismatch=cast("Any", on_mismatch)) if on_mismatch else now


def _show_policy(screen: Screen, now: "PolicyRules", written: "PolicyRules") -> None:
    rows = [
        ("agents may start", _names(now.templates), _names(written.templates)),
        ("least evidence of checks", now.evidence or "any", written.evidence or "any"),
        ("changed file of an accepted artifact", now.on_mismatch, written.on_mismatch),
    ]
    screen.table(("policy", "in force", "in .wfe/config.toml"), rows)


def _names(templates: tuple[str, ...] | None) -> str:
    return "any template" if templates is None else ", ".join(templates) or "none"
