"""Which commands are there, and how does a command line end?

Exit codes: 0 done, 1 refused or failed, 2 misused. ``--json`` prints one document whichever it is.
"""

import functools
import gc
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Concatenate

import typer
import typer.core
import typer.main

from wfe_mcp import __version__
from wfe_mcp.cli.commands import (
    approve,
    approvers,
    archive,
    artifact,
    auto,
    backup,
    cancel,
    checkpoints,
    compare,
    config,
    demo,
    doctor,
    export,
    find,
    force_accept,
    handoff,
    import_run,
    init,
    jobs,
    log,
    mcp,
    opinion,
    pause,
    proceed,
    providers,
    prune,
    reject,
    retry,
    rollback,
    run,
    runs,
    serve,
    show,
    skip,
    start,
    stats,
    status,
    submit,
    template_import,
    template_versions,
    templates,
    trust,
    ui,
    verify,
    watch,
    worker,
)
from wfe_mcp.cli.terminal.invocation import Door, World, command
from wfe_mcp.workspace.system.redaction import HidingFormatter

__all__ = ["app", "main"]

MISUSED = 2
INTERRUPTED = 130

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for a wrong command line; it has no public name that all its versions share."""


class _AsTyped:
    """How a text or a flag is read: as it is. Typer would load pydantic to find that, for 65 ms of every command."""

    def coerce(self, value: Any, **_of: Any) -> Any:
        return value


_KNOWN_TYPER = "0.29."


def _leave_texts_alone() -> None:
    """There is no switch for it. With a typer that we have not looked into, commands are slower and no different."""
    if not typer.__version__.startswith(_KNOWN_TYPER):
        return
    core: Any = typer.core
    read: Callable[[Any], Any] = core.build_runtime_param

    def how_to_read(parameter: Any) -> Any:
        return _AsTyped() if parameter.annotation in {str, bool} else read(parameter)

    core.build_runtime_param = how_to_read


_leave_texts_alone()

COMMANDS: tuple[tuple[str, Callable[Concatenate[Door, ...], None]], ...] = (
    ("serve", serve.serve),
    ("demo", demo.demo),
    ("init", init.init),
    ("trust", trust.trust),
    ("doctor", doctor.doctor),
    ("config show", config.show),
    ("templates list", templates.list_all),
    ("templates show", templates.show),
    ("templates lint", templates.lint),
    ("templates clone", template_versions.clone),
    ("templates edit", template_versions.edit),
    ("templates diff", template_versions.diff),
    ("templates default", template_versions.default),
    ("templates enable", template_versions.enable),
    ("templates disable", template_versions.disable),
    ("templates archive", template_versions.archive),
    ("templates import", template_import.import_file),
    ("templates export", templates.export),
    ("providers list", providers.list_all),
    ("providers add", providers.add),
    ("providers test", providers.try_out),
    ("providers remove", providers.remove),
    ("providers enable", providers.enable),
    ("providers disable", providers.disable),
    ("providers key", providers.key),
    ("providers role", providers.role),
    ("mcp list", mcp.list_all),
    ("mcp test", mcp.try_out),
    ("jobs list", jobs.list_all),
    ("jobs show", jobs.show),
    ("jobs wait", jobs.wait),
    ("jobs cancel", jobs.cancel),
    ("worker", worker.worker),
    ("ui", ui.ui),
    ("start", start.start),
    ("run", run.run),
    ("status", status.status),
    ("watch", watch.watch),
    ("list", runs.list_runs),
    ("show", show.show),
    ("log", log.log),
    ("compare", compare.compare),
    ("stats", stats.stats),
    ("find", find.find),
    ("submit", submit.submit),
    ("approve", approve.approve),
    ("reject", reject.reject),
    ("retry", retry.retry),
    ("skip", skip.skip),
    ("force-accept", force_accept.force_accept),
    ("proceed", proceed.proceed),
    ("auto", auto.auto),
    ("pause", pause.pause),
    ("resume", pause.resume),
    ("cancel", cancel.cancel),
    ("checkpoint", checkpoints.checkpoint),
    ("checkpoints", checkpoints.checkpoints),
    ("rollback", rollback.rollback),
    ("undo", rollback.undo),
    ("redo", rollback.redo),
    ("archive", archive.archive),
    ("unarchive", archive.unarchive),
    ("artifact show", artifact.show),
    ("artifact diff", artifact.diff),
    ("artifact restore", artifact.restore),
    ("artifact accept", artifact.accept),
    ("opinion ask", opinion.ask),
    ("opinion show", opinion.show),
    ("opinion overrule", opinion.overrule),
    ("approvers list", approvers.list_all),
    ("approvers add", approvers.add),
    ("approvers remove", approvers.remove),
    ("handoff", handoff.handoff),
    ("export", export.export),
    ("import", import_run.import_run),
    ("verify", verify.verify),
    ("backup", backup.backup),
    ("restore", backup.restore),
    ("keep", prune.keep),
    ("prune", prune.prune),
    ("vacuum", prune.vacuum),
)
"""Every command, in the order of ``--help``. Two words are a noun and what to do with it."""

NOUNS = {
    "config": "Which settings hold here?",
    "templates": "Which workflows are there?",
    "providers": "Which models may be called?",
    "mcp": "Which MCP servers may steps call?",
    "jobs": "What is worked in the background?",
    "artifact": "What did a phase produce?",
    "opinion": "What do other models think?",
    "approvers": "Whose passkeys may sign here?",
}


def app(first: str = "") -> typer.Typer:
    """The command line; where ``first`` is a command or a noun, with that alone: to read all signatures takes 15 ms."""
    made = typer.Typer(
        name="wfe-mcp",
        help="The referee for AI coding agents: typed workflows, evidence, approvals.",
        rich_markup_mode=None,  # Rich would cost every --help 90 ms
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    made.callback(invoke_without_command=True)(_everywhere)
    nouns: dict[str, typer.Typer] = {}
    for words, function in [each for each in COMMANDS if each[0].split(" ")[0] == first] or COMMANDS:
        noun, _, verb = words.rpartition(" ")
        if noun and noun not in nouns:
            nouns[noun] = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
            made.add_typer(nouns[noun], name=noun, help=NOUNS[noun])
        (nouns[noun] if noun else made).command(verb)(command(function))
    return made


def _everywhere(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    project: Annotated[str, typer.Option("--project", metavar="DIR", help="The project.")] = "",
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Options that may stand before the command too."""
    world: World = context.obj
    world.as_json, world.project = as_json, project
    if version:
        print(json.dumps({"ok": True, "version": __version__}) if as_json else f"wfe-mcp {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        if not as_json:
            print(context.get_help())
            raise typer.Exit(MISUSED)
        raise typer.BadParameter("a command is missing", param_hint="COMMAND")


def main(argv: Sequence[str], *, clock: Callable[[], datetime] | None = None) -> int:
    """The exit code of the command line ``argv`` (without the program's name)."""
    words = list(argv)
    _set_up_streams()
    # Imports make hundreds of thousands of objects that stay: looking for garbage among them is a tenth of `status`.
    gc.disable()
    try:
        found = _command_line(words[0] if words else "").main(
            words, prog_name="wfe-mcp", standalone_mode=False, obj=World(clock)
        )
        return int(found or 0)
    except UsageError as wrong:
        return _misused(wrong, as_json=_wants_json(words))
    except typer.Abort:
        return INTERRUPTED
    except SystemExit as end:  # the reader of our pipe has left
        return int(end.code or 0)
    finally:
        gc.enable()


@functools.cache
def _command_line(first: str) -> Any:
    """The commands as typer reads them from their signatures."""
    return typer.main.get_command(app(first))


def _misused(wrong: Exception, *, as_json: bool) -> int:
    """What is wrong with the command line: as JSON, or on standard error with the usage."""
    if as_json:
        message = str(wrong.format_message())  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType,reportUnknownArgumentType] - every usage error has it
        error = {"code": "bad_argument", "message": message, "hint": "See: wfe-mcp --help"}
        print(json.dumps({"ok": False, "summary": message, "error": error}, ensure_ascii=False))
    else:
        wrong.show()  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType] - every usage error has it
    return MISUSED


def _wants_json(words: Sequence[str]) -> bool:
    end = words.index("--") if "--" in words else len(words)
    return "--json" in words[:end]


def _set_up_streams() -> None:
    """Log to standard error; let no character that the terminal's encoding lacks end a command."""
    level = os.environ.get("WFE_LOG", "WARNING").upper()
    handler = logging.StreamHandler()
    handler.setFormatter(HidingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.getLevelNamesMapping().get(level, logging.WARNING), handlers=[handler])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
