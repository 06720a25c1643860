"""What the client may do while a run is open, and the messages that it gets.

1. A person's decisions, and the files that hold them, are out of reach of the client's shell.
2. Without a running phase the project is not changed.
3. In a running phase only what its ``tools_allowed`` names is used; a phase that names none has no limit.
4. Files outside the working tree are not the run's business.
"""

import os
import sys

from .shell import Simple, commands
from .words import DECIDING_PARTS, DECISIONS, FREE, GIT_LISTS, GIT_READS, GIT_WRITES, KINDS, READERS, WRITERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .open_runs import Work


_WITH_VALUE = frozenset({"--project", "--pin-fd", "--run"})

_PATCHED = ("*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: ")
_SAFE_TARGETS = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "NUL")


class Place:
    """Where the call happens. ``cwd``: of the client; ``top``: of the working tree; ``kept``: wfe-mcp's own files."""

    def __init__(self, cwd: str, top: str, kept: "list[str]", home: str) -> None:
        self.cwd, self.top, self.kept, self.home = cwd, top, kept, home

    def path(self, text: str, base: str = "") -> str:
        """The real path of a word; empty where it depends on something that is not known here."""
        text = text.replace("\\", "/") if sys.platform == "win32" else text
        for name in ("$HOME", "${HOME}", "~"):
            if text == name or text.startswith(f"{name}/"):
                text = self.home + text[len(name) :]
        if "$" in text or not text:
            return ""
        return os.path.realpath(os.path.join(base or self.cwd, text))

    def is_project(self, text: str, base: str = "") -> bool:
        """Whether a path lies in the working tree; an unknown one might."""
        if text in _SAFE_TARGETS:
            return False
        real = self.path(text, base)
        return not real or _within(real, self.top)

    def is_kept(self, text: str, base: str = "") -> bool:
        """Whether a path is one of wfe-mcp's own files or inside one of its folders."""
        real = self.path(text, base)
        return bool(real) and any(
            _within(real, path) or _same(real).startswith(_same(f"{path}-")) for path in self.kept
        )


def refusal(tool: str, given: "dict[str, Any]", works: "list[Work]", place: Place) -> str:
    """Why the client may not call this tool now, and what to do instead; empty: it may."""
    if is_ours(tool):
        return ""
    kind = KINDS.get(tool.lower(), "")
    parts = commands(_command(given)) if kind == "bash" else []
    why = _guard_paths(tool, kind, given, parts, place)
    if why:
        return f"{why}{_lifting(works)}"
    running = [work for work in works if work.status == "running"]
    changes = _changes(kind, given, parts, place)
    if not running:
        return f"{_refuse_change(works, changes)}{_lifting(works)}" if changes else ""
    if any(not work.allowed for work in running):
        return ""
    allowed = [name for work in running for name in work.allowed]
    checks = [argv for work in running for argv in work.checks]
    why = _unnamed_use(tool, kind, parts, allowed, checks, changes, bool(_paths(given)))
    if not why:
        return ""
    names = ", ".join(dict.fromkeys(allowed))
    return (
        f"Phase {running[0].phase!r} of run {running[0].run} allows only {names}: {why} [not_ready] "
        f"Next: continue with these, or finish the phase with submit_artifact.{_lifting(running)}"
    )


def is_ours(tool: str) -> bool:
    """Whether the tool is one of wfe-mcp's own, under any client's name for it."""
    return tool.startswith(("mcp__wfe__", "mcp__plugin_wfe_wfe__", "mcp_wfe_", "wfe_"))


def _lifting(works: "list[Work]") -> str:
    return f" To work without these limits, the user runs: wfe-mcp pause {works[0].run}"


def _command(given: "dict[str, Any]") -> str:
    """The text of a shell call, in each client's form."""
    for name in ("command", "cmd", "chars", "input"):
        value: Any = given.get(name)
        if isinstance(value, list):
            words = [str(argument) for argument in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            if len(words) > 2 and words[1] in ("-c", "-lc"):
                return words[2]
            return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
        if isinstance(value, str):
            return value
    return ""


def _paths(given: "dict[str, Any]") -> "list[str]":
    """The files that an editing tool names, those in the text of a patch too."""
    paths = [str(given[name]) for name in ("file_path", "path", "notebook_path", "absolute_path") if given.get(name)]
    text = given.get("command") or given.get("input") or given.get("patch") or ""
    return paths + (_in_patch(text) if isinstance(text, str) else [])


def _in_patch(text: str) -> "list[str]":
    return [line.partition(": ")[2].strip() for line in text.splitlines() if line.startswith(_PATCHED)]


def _guard_paths(tool: str, kind: str, given: "dict[str, Any]", parts: "list[Simple]", place: Place) -> str:
    """Rule 1."""
    for command in parts:
        name = _decision(command)
        if name:
            return (
                f"wfe-mcp {name} is for the user alone. [needs_human] "
                "Next: ask the user to run it in a terminal of their own, or call the wfe tool that asks them."
            )
    mine = "{} belongs to wfe-mcp: its database, keys and logs are not edited. [needs_human] Next: use the wfe tools, or the command wfe-mcp."
    base = place.cwd
    for command in parts:
        base = _folder_after(command, base, place)
        for word in (*command.words[1:], *command.writes, command.fed):
            hit = next((part for part in _path_like(word) if place.is_kept(part, base)), "")
            if hit:
                return mine.format(hit)
    if kind in ("write", "edit"):
        hit = next((path for path in _paths(given) if place.is_kept(path)), "")
        return mine.format(hit) if hit else ""
    return ""


def _path_like(word: str) -> "list[str]":
    """The word, and the parts of it that look like paths, as in ``--file=x`` or ``open('x')``."""
    for sign in "'\"=(),;|<>":
        word = word.replace(sign, " ")
    return [part for part in word.split() if part]


def _decision(command: Simple) -> str:
    """The subcommand of ``wfe-mcp`` that only a person runs; ``python`` code that imports it counts too."""
    words = command.words
    at = next((number for number, word in enumerate(words) if _is_program(word)), -1)
    if at < 0:
        code = " ".join(words[1:]) + command.fed
        return "by its code" if command.name.startswith("python") and "wfe_mcp" in code else ""
    rest = words[at + 1 :]
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in _WITH_VALUE else rest[1:]
    if not rest or rest[0] not in DECISIONS or "--help" in rest:
        return ""
    parts = DECIDING_PARTS.get(rest[0])
    return rest[0] if parts is None or not parts.isdisjoint(rest[1:2]) else ""


def _is_program(word: str) -> bool:
    name = word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe").partition("@")[0]
    return name in ("wfe-mcp", "wfe_mcp")


def _folder_after(command: Simple, base: str, place: Place) -> str:
    """The folder after the command: ``cd`` changes it."""
    if command.name in ("cd", "pushd") and len(command.words) > 1:
        return place.path(command.words[1], base) or base
    return base


def _changes(kind: str, given: "dict[str, Any]", parts: "list[Simple]", place: Place) -> str:
    """What the call would change in the working tree; empty: nothing that can be seen."""
    if kind in ("write", "edit"):
        paths = _paths(given)
        return next((file for file in paths if place.is_project(file)), "") if paths else "the project"
    base = place.cwd
    for part in parts:
        base = _folder_after(part, base, place)
        hit = next((path for path in _written_files(part) if place.is_project(path, base)), "")
        if hit:
            return "the project" if hit == "." else hit
    return ""


def _written_files(command: Simple) -> "list[str]":
    """The files that one simple command writes, as far as its words say; ``.`` for those that it does not name."""
    name, words = command.name, command.words[1:]
    plain = [word for word in words if not word.startswith("-")]
    flags = [word for word in words if word.startswith("-")]
    files = [*command.writes]
    if name == "git":
        verb, rest = _git_verb(words)
        if verb in GIT_WRITES and not (verb == "stash" and rest[:1] in (["list"], ["show"])):
            files.append(".")
    elif name == "sed" or name in ("perl", "ruby"):
        if any(
            option.startswith(("-i", "--in-place")) or (option[1:2] != "-" and "i" in option[1:]) for option in flags
        ):
            files += plain[1:] or ["."]
    elif name in ("cp", "install", "rsync", "ln"):
        files += plain[-1:]
    elif name == "apply_patch":
        files += _in_patch("\n".join([*plain, command.fed])) or ["."]
    elif name in ("vi", "vim", "nvim", "nano", "emacs", "ed", "ex", "patch", "unzip"):
        files += plain or ["."]
    elif name == "dd":
        files += [argument.removeprefix("of=") for argument in plain if argument.startswith("of=")]
    elif name in ("curl", "wget"):
        files += [
            target
            for flag, target in zip(words, [*words[1:], "."], strict=True)
            if flag in ("-o", "-O", "--output", "--output-document")
        ]
    elif name == "find" and any(option in ("-delete", "-exec", "-execdir", "-ok", "-fprint") for option in flags):
        files += ["."] if _find_writes(words) else []
    elif name == "sort" and "-o" in flags:
        files.append(words[words.index("-o") + 1] if words[-1] != "-o" else ".")
    elif name == "awk" and any(">" in argument or "system" in argument for argument in plain[:1]):
        files.append(".")
    elif name in WRITERS:
        files += plain
    return files


def _find_writes(words: "list[str]") -> bool:
    at = next((number for number, word in enumerate(words) if word in ("-exec", "-execdir", "-ok")), -1)
    return at < 0 or words[at + 1 : at + 2] == [] or os.path.basename(words[at + 1]) not in READERS


def _git_verb(words: "list[str]") -> "tuple[str, list[str]]":
    """The subcommand of git and the words after it; empty after ``-c``, which can name any program."""
    rest = words
    while rest and rest[0].startswith("-"):
        if rest[0] in ("-c", "--config-env", "--exec-path"):
            return "", []
        rest = rest[2:] if rest[0] in ("-C", "--git-dir", "--work-tree") else rest[1:]
    return (rest[0], rest[1:]) if rest else ("", [])


def _refuse_change(works: "list[Work]", changed: str) -> str:
    """Rule 2 in words."""
    first = next((work for work in works if work.status == "ready"), works[0])
    if first.status == "ready":
        return (
            f"No phase of run {first.run} is open, so {changed} is not changed. [not_ready] "
            f"Next: call start_phase for phase {first.phase!r}."
        )
    return (
        f"The gates of phase {first.phase!r} of run {first.run} are checking the files, so {changed} is not changed. [not_ready] "
        "Next: call status with wait_s."
    )


def _unnamed_use(
    tool: str,
    kind: str,
    parts: "list[Simple]",
    allowed: "list[str]",
    checks: "list[list[str]]",
    changes: str,
    has_path: bool,
) -> str:
    """Rule 3: what the call uses that is not named; empty: nothing."""
    names = {KINDS.get(tool_name.lower(), tool_name.lower()) for tool_name in allowed}
    if kind == "bash":
        if changes and names.isdisjoint({"write", "edit"}):
            return f"the command changes {changes}."
        if "bash" in names:
            return ""
        hit = next((part for part in parts if not _is_named(part, allowed, names, checks)), None)
        return f"the command {' '.join(hit.words)[:80] or 'redirection'!r} is none of them." if hit is not None else ""
    if tool.lower() in FREE or kind in names or any(_matches(tool, pattern) for pattern in allowed):
        return ""
    if kind in ("write", "edit") and has_path and not changes:
        return ""  # rule 4
    return f"{tool} is none of them."


def _matches(tool: str, pattern: str) -> bool:
    """Whether ``tools_allowed`` names this tool: its name, a server's ``mcp__name``, or a name that ends in ``*``."""
    if pattern.endswith("*"):
        return tool.startswith(pattern[:-1])
    return tool.lower() == pattern.lower() or (pattern.startswith("mcp__") and tool.startswith(f"{pattern}__"))


def _is_named(command: Simple, allowed: "list[str]", names: "set[str]", checks: "list[list[str]]") -> bool:
    """Whether a simple command does only what the phase names."""
    text = " ".join(command.words)
    for tool_name in allowed:  # Bash(git log:*)
        head, _, rest = tool_name.partition("(")
        prefix = rest.removesuffix(")").removesuffix(":*").removesuffix("*").strip()
        if KINDS.get(head.lower()) == "bash" and prefix and (text == prefix or text.startswith(f"{prefix} ")):
            return True
    if "run_check" in names and command.words in checks:
        return True
    name = command.name
    if not name or any(_is_program(word) for word in command.words):
        return True  # a bare redirection is judged by what it writes
    if name == "git":
        verb, rest = _git_verb(command.words[1:])
        if any(argument.startswith(("--output", "-o")) for argument in rest):
            return False
        reads = verb in GIT_READS or (
            verb in GIT_LISTS
            and all(argument in ("list", "-v", "-a", "-r", "-vv", "--list", "show") for argument in rest)
        )
        return (reads and not names.isdisjoint({"git", "read", "search", "list"})) or (
            verb in ("add", "commit") and "git_commit" in names
        )
    if name in READERS:
        return not (name in ("find", "awk") and bool(_written_files(command)))
    return name in WRITERS and not names.isdisjoint({"write", "edit"})


def _within(path: str, folder: str) -> bool:
    path, folder = _same(path), _same(folder)
    return path == folder or path.startswith(folder.rstrip("/\\") + os.sep)


def _same(path: str) -> str:
    """A path as it is compared: macOS and Windows take small and capital letters for the same."""
    return path.casefold() if sys.platform in ("darwin", "win32") else path
