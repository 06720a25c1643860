"""The ``wfe-mcp`` command line: its commands in groups, and its exit codes.

0 done, 1 refused or failed, 2 misused, 130 ended by Ctrl-C or another signal. ``--json`` prints one document whichever it is.
"""

import functools
import gc
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from importlib import import_module
from typing import Annotated, Any, Concatenate

import typer
import typer.main

from wfe_mcp import __version__
from wfe_mcp.cli.terminal.help import Command, Group, grouped_help
from wfe_mcp.cli.terminal.invocation import Invocation, World, command
from wfe_mcp.cli.terminal.system_faults import drop_output, refused_by_system
from wfe_mcp.core.texts import clean
from wfe_mcp.core.units import words as names
from wfe_mcp.workspace.system.console import is_terminal
from wfe_mcp.workspace.system.redaction import HidingFormatter

MISUSED = 2
INTERRUPTED = 130

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for a wrong command line; it has no public name that all its versions share."""


GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Set up": (names("init doctor trust"), names("install uninstall plugin demo")),
    "Work": (
        names("start status"),
        names("work decision claim run deploy watch submit attach pause resume cancel auto proceed"),
    ),
    "Decide": (names("inbox approve reject"), names("edit retry skip force-accept opinion grant")),
    "Go back": ((), names("rollback undo redo checkpoint checkpoints")),
    "Look": ((), names("list show deployments log find ask stats compare artifact context recovery handoff")),
    "Records": (
        (),
        names("verify audit attest ci export import backup restore move-to archive unarchive keep prune vacuum"),
    ),
    "Configure": (
        (),
        names(
            "templates plan providers credential mcp approvers pin token people webhook incoming schedule notify project "
            "worktree git config"
        ),
    ),
    "Services": ((), names("serve ui server runner login logout worker jobs limits")),
}
"""What the help shows: group → (commands with a description, commands by name alone)."""

NOUNS = {
    "work": "List, add, change, start, import and export what there is to do: tasks, bugs, requirements, ideas.",
    "decision": "List, add, accept and replace decisions about the architecture.",
    "claim": "List, add and test claims about the work, give evidence, and take falsified ones up again.",
    "grant": "Approve beforehand what you name: so often, until then, under a condition; list and end that.",
    "opinion": "Ask other models for an opinion, answer for one, or overrule one.",
    "artifact": "Show, compare and restore what phases produced.",
    "recovery": "List, resolve and ignore what blocks failed phases.",
    "templates": "List, check, copy and change workflows.",
    "plan": "Validate, score, improve and import a plan of milestones.",
    "providers": "Configure models and the roles they fill.",
    "credential": "List, add, rotate and delete what checks, steps and deliveries log in with.",
    "mcp": "List and test the MCP servers that steps may call.",
    "approvers": "List, add and remove the keys that may sign here.",
    "pin": "Set or change your PIN; make a new key where it is lost.",
    "token": "Make, list and revoke access tokens, and confirm logins, for MCP over HTTP and the HTTP API.",
    "people": "List who logs in to the server, who is away; hand decisions over, end sessions.",
    "webhook": "List and try the receivers of events, see what they got, send it again, change their secrets.",
    "incoming": "List the systems whose signed messages start a template; change their secrets.",
    "schedule": "List the times at which templates start.",
    "notify": "Try how you are notified that you are needed.",
    "worktree": "Make further work trees of the project, ready to work in, and remove them.",
    "git": "Remove merged branches and unused work trees of delivered runs.",
    "project": "Show what a project is, list your projects, and say where one is after a rename or move.",
    "config": "Show the settings that apply here and what the project consists of; correct a fact or a check, change the approval policy.",
    "jobs": "List, follow and cancel background jobs.",
}
"""What a noun is for. Its commands have two words: the noun, and one of its verbs."""

VERBS: dict[str, tuple[str, ...]] = {
    "work": names("list show add edit attach detach next start run block drop promote import export report"),
    "decision": names("list show add accept deprecate replace"),
    "claim": names("list show add test retry follow-up evidence ledger"),
    "grant": names("add list show end"),
    "opinion": names("ask show answer overrule"),
    "artifact": names("show diff restore accept"),
    "recovery": names("list show resolve ignore abort"),
    "templates": names("list show lint clone edit diff default enable disable archive trust import export"),
    "plan": names("validate score prompt optimize import"),
    "providers": names("list add test remove enable disable key role"),
    "credential": names("list add rotate delete"),
    "mcp": names("list test"),
    "approvers": names("list add accept remove"),
    "token": names("create confirm list revoke"),
    "people": names("list away back hand-over revoke"),
    "webhook": names("list test deliveries redeliver rotate"),
    "incoming": names("list rotate"),
    "schedule": names("list"),
    "notify": names("test"),
    "pin": names("set reset"),
    "project": names("show list move forget rename add"),
    "worktree": names("add list remove"),
    "git": names("cleanup"),
    "config": names("show project policy fact check credential"),
    "jobs": names("enqueue list show wait cancel"),
}

_MODULES: dict[str, tuple[str, ...]] = {
    "install": names("install uninstall plugin"),
    "login": names("login logout"),
    "submit": names("submit attach"),
    "control": names("pause resume cancel auto proceed retry skip force-accept"),
    "rollback": names("rollback undo redo checkpoint checkpoints"),
    "runs": names("list"),
    "deployments": names("deploy deployments"),
    "handoff": names("context handoff"),
    "import_run": names("export import"),
    "backup": names("backup restore"),
    "move": names("move-to"),
    "prune": names("archive unarchive keep prune vacuum"),
    "credential": ("credential list", "credential add", "credential rotate", "credential delete", "config credential"),
    "template_import": ("templates import",),
    "work_files": ("work attach", "work detach", "work import", "work export", "work report", "work run"),
}
"""Modules of ``cli.commands`` that have another name than their commands."""

_FUNCTIONS = {"import": "import_", "list": "list_all", "set": "set_pin", "test": "try_out", "next": "next_item"}
"""Functions that cannot have the name of their command."""

_FIRST = tuple(name for described, named in GROUPS.values() for name in (*described, *named))
"""The commands, and the nouns of those that have one, in the order of the groups."""

COMMANDS = tuple(f"{first} {verb}".strip() for first in _FIRST for verb in VERBS.get(first, ("",)))
"""Every command."""


_SUMMARY = "Typed workflows, evidence and approvals for AI coding agents"
_OPTIONS = "--project DIR  --json  --version  --help  --install-completion"
_COMPLETION = "_WFE_MCP_COMPLETE"
"""The variable by which a shell asks for completions."""

_HELP_ALONE: tuple[list[str], ...] = ([], ["--help"])


def app(first: str = "") -> typer.Typer:
    """The command line; where ``first`` is a command or a noun, with that alone: to read all signatures takes 15 ms."""
    chosen = [name for name in COMMANDS if name.split(" ")[0] == first]
    typer_app = typer.Typer(
        name="wfe-mcp",
        cls=Group,
        rich_markup_mode=None,  # Rich would cost every --help 90 ms
        pretty_exceptions_enable=False,
        add_completion=not chosen,
    )
    typer_app.callback(invoke_without_command=True)(_everywhere)
    nouns: dict[str, typer.Typer] = {}
    for name in chosen or COMMANDS:
        noun, _, verb = name.rpartition(" ")
        if noun and noun not in nouns:
            nouns[noun] = typer.Typer(cls=Group, rich_markup_mode=None, no_args_is_help=True)
            typer_app.add_typer(nouns[noun], name=noun, help=NOUNS[noun])
        (nouns[noun] if noun else typer_app).command(verb, cls=Command)(command(function_of(name)))
    return typer_app


def function_of(words: str) -> Callable[Concatenate[Invocation, ...], None]:
    """The function of a command, from its module: to load those of all commands takes 30 ms."""
    first, _, verb = words.partition(" ")
    module = next((name for name, those in _MODULES.items() if words in those), first)
    name = (verb or first).replace("-", "_")
    return getattr(import_module(f"wfe_mcp.cli.commands.{module}"), _FUNCTIONS.get(name, name))


def help_page() -> str:
    """What ``wfe-mcp --help`` prints."""
    described = {name: function_of(name) for names, _ in GROUPS.values() for name in names}
    return grouped_help(_SUMMARY, GROUPS, described, _OPTIONS)


def _everywhere(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    project: Annotated[str, typer.Option("--project", metavar="DIR", help="The project.")] = "",
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Options that may precede the command."""
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
    """Run the command line ``argv`` (without the program's name); returns its exit code."""
    words = _by_first_names(list(argv))
    _set_up_streams()
    try:
        status = _run(words, clock)
        sys.stdout.flush()  # here a full disk can still be said
    except BrokenPipeError:  # the reader has closed the pipe
        drop_output()
        return 1
    except OSError as error:
        refused = refused_by_system(error)
        if refused is None:
            raise
        answer = Invocation(World(clock, _wants_json(words), commands=_FIRST))
        answer.refuse(refused)
        return answer.exit_code
    return status


def _run(words: list[str], clock: Callable[[], datetime] | None) -> int:
    if words in _HELP_ALONE and _COMPLETION not in os.environ:  # no command's signature need be read for it
        print(help_page(), end="")
        return MISUSED if not words else 0
    # Imports make hundreds of thousands of objects that stay; to search them for garbage is a tenth of `status`.
    gc.disable()
    try:
        status = _command_line(words[0] if words and words[0] in _FIRST else "").main(
            words, prog_name="wfe-mcp", standalone_mode=False, obj=World(clock, commands=_FIRST)
        )
        return int(status or 0)
    except UsageError as wrong:
        return _report_misuse(wrong, words)
    except typer.Abort:
        return INTERRUPTED
    except SystemExit as end:  # the reader of the pipe has closed it
        return int(end.code or 0)
    finally:
        gc.enable()


SECOND_NAMES = {
    "backlog": "work",
    "milestone list": "work list --kind milestone",
    "milestone add": "work add --kind milestone",
    "milestone": "work",
    "adr": "decision",
    "env": "deployments",
}
"""Names by which other systems know a command of ours: it has them too. Those of two words come before those of one."""


def _by_first_names(words: list[str]) -> list[str]:
    """``words`` with the first name of a command that is called by a second one."""
    is_value = [False, *(word == "--project" for word in words)]
    begin = next((at for at, word in enumerate(words) if not word.startswith("-") and not is_value[at]), len(words))
    for second, first in SECOND_NAMES.items():
        end = begin + len(second.split())
        if words[begin:end] == second.split():
            return [*words[:begin], *first.split(), *words[end:]]
    return words


@functools.cache
def _command_line(first: str) -> Any:
    """What typer reads from the signatures of the commands that begin with ``first``; of all where it is empty."""
    group: Any = typer.main.get_command(app(first))
    group.page = "" if first else help_page()
    return group


_MEANT = {
    **dict.fromkeys(("runs", "ls", "ps"), "list"),
    **dict.fromkeys(("dashboard", "web", "page"), "ui"),
    **dict.fromkeys(("decisions", "approvals", "pending"), "inbox"),
    **dict.fromkeys(("logs", "history", "events", "activity"), "log"),
    **dict.fromkeys(("items", "tasks", "todo"), "work list"),
    **dict.fromkeys(("template",), "templates list"),
    **dict.fromkeys(("stop", "abort", "kill"), "cancel"),
    **dict.fromkeys(("setup", "configure"), "init"),
    **dict.fromkeys(("search", "grep"), "find"),
    "diff": "compare",
    "check": "doctor",
    "settings": "config show",
}
"""What others call our commands. The parser knows only which of our words look alike: for ``runs`` it names ``trust``."""


def _report_misuse(wrong: Exception, words: Sequence[str]) -> int:
    """Report what is wrong with the command line ``words``: as JSON, or on standard error with the usage."""
    first = next((word for word in words if not word.startswith("-")), "")
    meant = _MEANT.get(first, "")
    message = f"No such command {first!r}: here it is '{meant}'." if meant else str(wrong.format_message())  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType,reportUnknownArgumentType] - every usage error has it
    if _wants_json(words):
        error = {"code": "bad_argument", "message": message, "hint": f"See: wfe-mcp {meant or '--help'}"}
        print(json.dumps({"ok": False, "summary": message, "error": error}, ensure_ascii=False))
    else:
        context: Any = getattr(wrong, "ctx", None)
        is_help = type(wrong).__name__ == "NoArgsIsHelpError"  # it has no public name either
        lines = [message if is_help else f"error: {message} [bad_argument]"]
        if context is not None and not is_help:
            lines += [context.get_usage(), f"Next: {f'wfe-mcp {meant}' if meant else f'{context.command_path} --help'}"]
        elif not is_help:  # an option without its value: the parser does not say of which command
            lines += [f"Next: {' '.join(['wfe-mcp', *_command_in(words)])} --help"]
        print("\n".join(map(clean, lines)), file=sys.stderr)
    return MISUSED


def _command_in(words: Sequence[str]) -> Iterator[str]:
    command = _command_line(words[0] if words[0] in _FIRST else "")
    for word in words:
        if word in getattr(command, "commands", ()):
            command = command.commands[word]
            yield word


def _wants_json(given: Sequence[str]) -> bool:
    end = given.index("--") if "--" in given else len(given)
    return "--json" in given[:end]


def _set_up_streams() -> None:
    """Log to standard error; characters that the terminal's encoding lacks are escaped.

    On Windows a pipe or a file gets UTF-8, as from other programs: its code page lacks most characters, and JSON has no other encoding.
    """
    level = os.environ.get("WFE_LOG", "WARNING").upper()
    handler = logging.StreamHandler()
    handler.setFormatter(HidingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.getLevelNamesMapping().get(level, logging.WARNING), handlers=[handler])
    for stream in (sys.stdout, sys.stderr):
        is_page = sys.platform == "win32" and "PYTHONIOENCODING" not in os.environ and not is_terminal(stream)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8" if is_page else None, errors="backslashreplace")
