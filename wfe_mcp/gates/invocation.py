"""The runner that a check's command starts, also behind a launcher or a script of package.json, and the report it is asked for."""

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from itertools import islice, pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import word_set
from wfe_mcp.gates.runners import RUNNERS, Reporter, Runner, fill_paths
from wfe_mcp.workspace.files.project_files import read_file

_LAUNCHERS = word_set(
    """
    uv uvx poetry pdm hatch pipenv rye pixi coverage tox nox env cross-env npx npm pnpm pnpx yarn bun bunx
    bundle bundler php node ruby xvfb-run dotenv nice time timeout
    """
)
"""Programs that start the program named in their arguments."""
_PACKAGE_TOOLS = frozenset({"npm", "pnpm", "yarn", "bun"})
_TAKES_VALUE = frozenset({"--with", "--extra", "--group", "--package", "--only-group", "-p", "--python", "--project"})
_ENDINGS = (".exe", ".cmd", ".bat", ".phar")
_SHELL = re.compile(r"[|&;<>()$`\n\\]")
_PARTS = re.compile(r"[^\s|&;<>()$`'\"=]+")
_PYTHON = re.compile(r"(python|pypy)[\d.]*$|py\.?test$")
_MAX_PACKAGE_BYTES = 1_000_000
_MAKE = frozenset({"make", "gmake"})
_RUNNABLE = frozenset({"", ".sh", ".bash", ".zsh", ".py", ".js", ".cjs", ".mjs", ".ts", ".rb", ".pl", ".php", ".ps1"})
"""Endings of what a script of a shell may start; other files that it names are what it works on."""
_MAX_SCRIPT_BYTES, _MAX_WORDS = 100_000, 10_000
_MAX_SCRIPTS, _MAX_COMMANDS = 4, 5
"""How many scripts may lie between a command and its runner, and how many commands a script may join."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A runner in a command. ``words``: its own arguments. ``after``: index in the argv just past the program and its
    verb; None where a script starts it, whose further arguments follow the argv. ``dashes``: how many ``--`` come before them,
    one for each npm in the chain that would take them for its own.
    """

    runner: Runner
    words: tuple[str, ...]
    after: int | None
    dashes: int = 0


@dataclass(frozen=True, slots=True)
class ReportingCommand:
    """The command that runs. ``report``: where the runner's report will be; None: it is not asked for one.

    ``is_own``: the command itself names that report. ``in_log``: the report is the runner's output.
    """

    argv: tuple[str, ...]
    runner: Runner | None = None
    report: Path | None = None
    is_own: bool = False
    in_log: bool = False
    env: Mapping[str, str] = field(default_factory=dict[str, str])


def ask_for_report(
    argv: tuple[str, ...], cwd: Path, report: Path, environ: Mapping[str, str] | None = None
) -> ReportingCommand:
    """``argv`` with what makes its runner write a report to ``report`` (absolute, without a suffix).

    ``environ``: the variables of the check, for those that are added to.
    """
    invoked = invocation(argv, cwd)
    if invoked is None:
        return ReportingCommand(argv)
    reporter = invoked.runner.reporter or invoked.runner.adds
    if reporter is None:
        return ReportingCommand(argv, invoked.runner)
    own = _value_of(invoked.words, reporter.own)
    if own is not None:
        return ReportingCommand(argv, invoked.runner, Path(own), is_own=True)
    if any(_is_flag(word, (*reporter.unless, *reporter.own)) for word in invoked.words):
        in_log = reporter.place == "stdout"  # it prints the report already
        return ReportingCommand(argv, invoked.runner, report if in_log else None, is_own=in_log, in_log=in_log)
    path = report.with_name(report.name + ("" if reporter.place == "folder" else reporter.suffix))
    words, env = _add_reporter(reporter, invoked, path, environ or {})
    reports = invoked.runner.reporter is not None
    return ReportingCommand(
        _insert_arguments(argv, invoked, reporter, words),
        invoked.runner,
        path if reports else None,
        in_log=reports and reporter.place == "stdout",
        env=env,
    )


def _add_reporter(
    reporter: Reporter, found: Invocation, report: Path, environ: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    by_env = found.after is None and reporter.script_env is not None
    variables = dict((reporter.script_env if by_env else reporter.env) or {})
    env = {
        name: " ".join(part for part in (environ.get(name, ""), fill_paths(value, report)) if part)
        if by_env
        else fill_paths(value, report)
        for name, value in variables.items()
    }
    if by_env:
        return (), env
    shown = () if any(_is_flag(word, reporter.shows) for word in found.words) else reporter.show
    return tuple(fill_paths(word, report) for word in (*shown, *reporter.words)), env


def _insert_arguments(
    argv: tuple[str, ...], found: Invocation, reporter: Reporter, words: tuple[str, ...]
) -> tuple[str, ...]:
    if not words:
        return argv
    if found.after is None:
        return (*argv, *("--",) * found.dashes, *words)
    at = found.after if reporter.at == "program" else len(argv)
    return (*argv[:at], *words, *argv[at:])


def invocation(argv: tuple[str, ...], cwd: Path) -> Invocation | None:
    """The runner in ``argv``, as it would run in ``cwd``; None where none is recognised."""
    return _invocation(argv, cwd, _MAX_SCRIPTS)


def _invocation(argv: tuple[str, ...], cwd: Path, scripts: int) -> Invocation | None:
    """``scripts``: how many may still lie between the command and its runner."""
    script = _script(argv, cwd, scripts)
    if script is None:
        return _direct(argv)
    arguments = argv[argv.index("--") + 1 :] if "--" in argv else ()
    inner = _invocation((*script, *arguments), cwd, scripts - 1)
    if inner is None:
        return None
    dashes = inner.dashes + (stem(argv[0]) == "npm" and "--" not in argv)
    return Invocation(inner.runner, inner.words, None, dashes)


def _direct(argv: tuple[str, ...]) -> Invocation | None:
    for at in range(len(argv)):
        for runner in RUNNERS:
            if stem(argv[at]) not in runner.programs or not _starts(argv, at):
                continue
            verb = _verb(runner, argv, at)
            if verb is not None:
                return Invocation(runner, argv[at + 1 :], verb + 1)
    return None


def _starts(argv: tuple[str, ...], at: int) -> bool:
    """True where the word at ``at`` is a program: the first one, a module of Python, or what a launcher starts."""
    if at == 0 or argv[at - 1] == "-m":
        return True
    launcher = stem(argv[0])
    if launcher == "npm" and "--" not in argv[:at]:  # npm would take the options for its own
        return False
    return launcher in _LAUNCHERS and argv[at - 1] not in _TAKES_VALUE


def _verb(runner: Runner, argv: tuple[str, ...], at: int) -> int | None:
    """Index of the verb, or of the program where it takes none; None: this is another command of the program."""
    if not runner.verbs:
        return at
    for n in range(at + 1, len(argv)):
        if any(fnmatchcase(argv[n], verb) for verb in runner.verbs):
            return n
        is_option = argv[n].startswith(("-", "+")) or argv[n - 1].startswith("-")  # or the value of one
        if not (runner.is_goal or is_option):
            return None
    return None


def stem(word: str) -> str:
    """The name of a program, without folders and the endings that systems add."""
    name = (PureWindowsPath if "\\" in word else PurePosixPath)(word).name
    return next((name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)), name)


def _script(argv: tuple[str, ...], cwd: Path, scripts: int) -> tuple[str, ...] | None:
    """The words of the package.json script that ``argv`` runs, the last of those that ``&&`` joins; None: it runs none, or needs a shell."""
    tool, *words = argv
    if stem(tool) not in _PACKAGE_TOOLS or not scripts:
        return None
    words = [word for word in words[: words.index("--") if "--" in words else None] if word not in {"-s", "--silent"}]
    if words[:1] in (["run"], ["run-script"]):
        words = words[1:]
    if not words or words[0].startswith("-"):
        return None
    name = {"t": "test", "tst": "test"}.get(words[0], words[0])
    line = scripts_of(cwd).get(name)
    parts = [_simple(part) for part in line.split("&&")] if isinstance(line, str) else []
    # npm adds arguments to the end of the line, so the last command gets them; an earlier runner would not report.
    is_clear = len(parts) <= _MAX_COMMANDS and all(
        part is not None and _invocation(part, cwd, scripts - 1) is None for part in parts[:-1]
    )
    return parts[-1] if parts and is_clear else None


def _simple(command: str) -> tuple[str, ...] | None:
    """The words of one simple command, without the variables before it; None for what only a shell understands."""
    if _SHELL.search(command):
        return None
    try:
        parsed = shlex.split(command)
    except ValueError:
        return None
    while parsed and (stem(parsed[0]) == "cross-env" or re.fullmatch(r"[A-Za-z_]\w*=.*", parsed[0])):
        parsed = parsed[1:]
    return tuple(parsed) or None


def starts_file(commands: Iterable[Sequence[str]], root: Path) -> Callable[[str], bool]:
    """Whether a path is of a file that one of the commands of checks names: in its words, as a module of Python, by a script of
    package.json or a rule of make, or in a script of a shell that one of these names.
    A module at the top that is called as one of Python's own is loaded in its place.
    """
    named, shadows = set[str](), set[str]()
    for argv in {tuple(words) for words in commands if words}:
        words = [part for word in argv for part in _PARTS.findall(word)]
        tool = stem(argv[0])
        scripts = scripts_of(root) if tool in _PACKAGE_TOOLS else _rules_of(root) if tool in _MAKE else {}
        for word in words:  # which grows
            for name in (f"pre{word}", word, f"post{word}") if tool in _PACKAGE_TOOLS else (word,):
                words += _PARTS.findall(str(scripts.pop(name, "")))
        for path in islice(words, _MAX_WORDS):  # which grows
            more = {*_PARTS.findall(_shell_script(root, path))}.difference(words)
            words += [word for word in more if PurePosixPath(word).suffix in _RUNNABLE]
        modules = {word.replace(".", "/") for before, word in pairwise(argv) if before == "-m"}
        named |= {PurePosixPath(word).as_posix() for word in words} | _files_of(modules)
        if any(_PYTHON.match(stem(word)) for word in words):
            shadows |= _files_of(sys.stdlib_module_names)
    below = tuple(f"/{name}" for name in named if "/" in name)
    return lambda path: path in named or path in shadows or path.endswith(below)


def _rules_of(folder: Path) -> dict[str, str]:
    """By name, what the rules and variables of its makefile hold, without what makefiles include."""
    names, rules = list[str](), dict[str, str]()
    makefiles = (_text_of(folder, name) for name in ("GNUmakefile", "makefile", "Makefile"))
    for line in next(filter(None, makefiles), "").splitlines():
        begins = re.match(r"([^\s#:=?+!][^#:=?+!]*)(?:[:?+!]*=|:)(.*)", line)
        names, text = (begins[1].split(), begins[2]) if begins else (names, line)
        rules |= {name: f"{rules.get(name, '')} {text}" for name in names}
    return rules


def _shell_script(root: Path, path: str) -> str:
    """The text of a script of a shell in the project; empty for any other file."""
    text = _text_of(root, path) if "/" in path or path.endswith(".sh") else ""
    return text if path.endswith(".sh") or re.match(r"#!.*sh\b", text) else ""


def _text_of(root: Path, path: str) -> str:
    try:
        return read_file(root, PurePosixPath(path).as_posix(), _MAX_SCRIPT_BYTES).decode(errors="replace")
    except (OSError, Refused):
        return ""


def _files_of(modules: Iterable[str]) -> set[str]:
    return {f"{module}{end}" for module in modules for end in (".py", "/__init__.py", "/__main__.py")}


def scripts_of(folder: Path) -> dict[str, Any]:
    """The scripts of its package.json."""
    return object_in(package_of(folder), "scripts")


def package_of(folder: Path) -> dict[str, Any]:
    """Its package.json; empty where there is none, or none that can be read."""
    try:
        with (folder / "package.json").open("rb") as file:
            return object_in({"": json.loads(file.read(_MAX_PACKAGE_BYTES))}, "")
    except (OSError, ValueError, RecursionError):
        return {}


def object_in(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object at ``key``; empty where there is another value, or none."""
    value: object = holder.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _is_flag(word: str, flags: tuple[str, ...]) -> bool:
    return word.partition("=")[0] in flags


def _value_of(words: tuple[str, ...], flags: tuple[str, ...]) -> str | None:
    for number, word in enumerate(words):
        flag, is_set, value = word.partition("=")
        if flag in flags:
            return value if is_set else next(iter(words[number + 1 :]), "")
    return None
