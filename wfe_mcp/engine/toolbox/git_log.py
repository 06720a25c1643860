"""The tools ``git`` and ``git_commit``.

Rules:
1. Reading changes nothing and starts no program of the repository: no text conversion, external diff, hook or filter.
2. Nothing is shown from outside the project, also where the project is a folder of a larger repository.
3. ``git_commit`` is a tool of its own, so that a template must name it.
4. A commit made here ends with ``Wfe-Run: <run> <hash>``: the run, and the head of its log.
"""

import os
import re

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.toolbox.reach import PATH, Given, Reach, page, place, tool
from wfe_mcp.providers.call import Tool
from wfe_mcp.workspace.git.command import quiet_filters, require_repository, run_git
from wfe_mcp.workspace.git.repository import head

_QUIET = ("--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--ignore-submodules=dirty")
_LINES = 400
_REVISION = {"type": "string", "pattern": r"^[A-Za-z0-9_@][A-Za-z0-9_./@{}^~#+-]*$", "maxLength": 200}
_TRAILER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*: \S")
_OURS_APART = ":(exclude,glob)**/.wfe/**"


def git_tool(reach: Reach) -> Tool:
    """``git``: status, diff, log, show and blame."""

    def git(given: Given) -> str:
        require_repository(reach.root)
        lines = _log_arguments(reach, given["command"], given)
        if not lines:
            return _NOTHING[given["command"]]
        first = int(given.get("from_line", 1))
        return page(lines, first, _LINES, lambda line: f"the same call with from_line={line}")

    arguments = {
        "command": {"type": "string", "enum": list(_NOTHING), "description": "Which question."},
        "path": {**PATH, "description": "Only this file or folder; blame needs a file, show gives it as it was then."},
        "revision": {**_REVISION, "description": "A commit, branch or tag (log, diff: also `a..b`); HEAD when absent."},
        "staged": {"type": "boolean", "description": "diff: what is staged instead of what is not."},
        "count": {"type": "integer", "minimum": 1, "maximum": 200, "description": "log: how many; 20 when absent."},
        "from_line": {"type": "integer", "minimum": 1, "description": "To page on: the first line to show."},
    }
    return tool("git", "Look at the project's git history and changes; changes nothing.", arguments, ["command"], git)


def commit_tool(reach: Reach) -> Tool:
    """``git_commit``: the changes of named paths, or all, as one commit on the branch that is checked out."""

    def commit(given: Given) -> str:
        require_repository(reach.root)
        paths = [place(path) for path in given.get("paths") or ["."]]
        specs = [_spec(parts) for parts in paths]
        env = quiet_filters(reach.root)
        message = _with_trailer(given["message"], reach.trailer())
        _git(reach, "add", "-A", "--", *specs, _OURS_APART, env=env)
        # What was staged beside these paths stays staged. Durable again: our other calls write only throw-away files.
        words = ("-c", "core.fsync=committed", "commit", "--quiet", "--no-verify", "--only", "-F", "-")
        _git(reach, *words, "--", *specs, _OURS_APART, env=env, stdin=message.encode(errors="replace"))
        done = head(reach.root) or ""
        shown = _git(reach, "show", "--stat", "--format=%h %s", *_QUIET, "--end-of-options", done)
        return f"Committed {done}\n{shown.strip()}"

    arguments = {
        "message": {"type": "string", "minLength": 1, "maxLength": 10_000, "description": "The whole message."},
        "paths": {
            "type": "array",
            "items": PATH,
            "minItems": 1,
            "maxItems": 1_000,
            "description": "Which files or folders; every change in the project when absent.",
        },
    }
    return tool("git_commit", "Commit changes of the project on the current branch.", arguments, ["message"], commit)


_NOTHING = {
    "status": "Nothing has changed since the last commit.",
    "diff": "There is no difference.",
    "log": "There is no commit.",
    "show": "It is empty.",
    "blame": "The file is empty.",
}


def _with_trailer(message: str, trailer: str) -> str:
    """Not left to ``git interpret-trailers``: the repository's configuration can make that run a program."""
    if not trailer:
        return message
    body = message.rstrip()
    last = body.rpartition("\n\n")[2].split("\n") if "\n\n" in body else []
    joins = bool(last) and all(_TRAILER.match(line) for line in last)
    return f"{body}\n{trailer}\n" if joins else f"{body}\n\n{trailer}\n"


def _log_arguments(reach: Reach, command: str, given: Given) -> list[str]:
    parts = place(given.get("path", "."))
    env = quiet_filters(reach.root)
    match command:
        case "status":
            words = ("status", "--porcelain", "--untracked-files=all", "--ignore-submodules=dirty", "--no-renames")
            output = _git(reach, *words, "--", _spec(parts), _OURS_APART, env=env)
        case "diff":
            staged = ("--cached",) if given.get("staged") else ()
            words = ("diff", *_QUIET, *staged, "--end-of-options", *_revision(given))
            output = _git(reach, *words, "--", _spec(parts), env=env)
        case "log":
            words = (
                "log",
                f"--max-count={int(given.get('count', 20))}",
                "--no-color",
                "--no-show-signature",
                "--no-notes",
            )
            form = ("--date=iso-strict", "--format=%h %ad %an%n    %s")
            tip = _revision(given) or (("HEAD",) if head(reach.root) else ())
            output = _git(reach, *words, *form, "--end-of-options", *tip, "--", _spec(parts)) if tip else ""
        case "show":
            output = _show_commit(reach, parts, given, env)
        case _:
            words = ("blame", "--no-textconv", "--date=short", *_revision(given))
            output = _git(reach, *words, "--", _file(parts, command), env=env)
    return output.removesuffix("\n").split("\n") if output.strip() else []


def _show_commit(reach: Reach, parts: tuple[str, ...], given: Given, env: dict[str, str]) -> str:
    """A commit with what it changed in the project; with a path, that file as it was."""
    revision = (_revision(given) or ("HEAD",))[0]
    if parts:
        return _git(reach, "show", *_QUIET, "--end-of-options", f"{revision}:./{'/'.join(parts)}", env=env)
    words = ("show", "--no-show-signature", "--no-notes", "--date=iso-strict", "--stat", "--patch", *_QUIET)
    return _git(reach, *words, "--end-of-options", revision, "--", ".", env=env)


def _revision(given: Given) -> tuple[str, ...]:
    return (given["revision"],) if given.get("revision") else ()


def _spec(parts: tuple[str, ...]) -> str:
    return f":(literal){'/'.join(parts)}" if parts else "."


def _file(parts: tuple[str, ...], command: str) -> str:
    if not parts:
        raise Refused("bad_argument", f"'{command}' needs a file.", "Name one in path.")
    return "/".join(parts)


def _git(reach: Reach, *words: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> str:
    done = run_git(reach.root, *words, env=env, stdin=stdin, ok=None)
    if done is None:
        return ""
    if done.returncode:
        message = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
        raise Refused("bad_argument", f"git says: {message}", "Correct the call, or look at 'status' and 'log' first.")
    return os.fsdecode(done.stdout).encode(errors="replace").decode()
