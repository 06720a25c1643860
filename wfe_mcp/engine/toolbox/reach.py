"""The bounds of every tool: arguments, paths, refusals and size of answers.

Rules:
1. Arguments obey the tool's schema, or nothing happens; ``null`` for an optional one is the same as leaving it out.
2. A refusal is an answer: what happened and what to do instead, ``ok`` False. Only our own bugs are raised.
3. An answer is at most ``MAX_RESULT_BYTES`` long; what is longer says how to get the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from wfe_mcp.artifacts.checking import faults_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.jobs.child import RunChild, run_child
from wfe_mcp.jobs.output import plain_text
from wfe_mcp.providers.call import Tool, ToolResult
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.settings_tables import SandboxSettings
from wfe_mcp.workspace.files.paths import parts_of, reserved_as

MAX_RESULT_BYTES = 20_000
_PAGE_BYTES = 18_000
_LINE_CHARACTERS = 2_000

Given = dict[str, Any]
Reply = str | ToolResult

PATH: dict[str, Any] = {"type": "string", "description": "Relative to the project root, with '/': \"src/app.py\"."}


@dataclass(frozen=True, slots=True)
class Reach:
    """What the tools of one phase work on. ``trailer``: the last line of commit messages; empty for none.

    ``makes``: what makes the sandboxes of checks.
    """

    root: Path
    evidence_dir: Path
    checks: Mapping[str, FrozenCheck] = field(default_factory=dict[str, FrozenCheck])
    run: RunChild = run_child
    environ: Mapping[str, str] | None = None
    trailer: Callable[[], str] = str
    makes: SandboxSettings | None = None


def tool(
    name: str,
    description: str,
    arguments: Mapping[str, Mapping[str, Any]],
    required: Sequence[str],
    run: Callable[[Given], Reply],
) -> Tool:
    """A tool whose arguments are checked, whose refusals are answers and whose answers have a bound."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": dict(arguments),
        "required": list(required),
        "additionalProperties": False,
    }

    def answer(given: Given) -> ToolResult:
        values = {key: value for key, value in given.items() if value is not None or key in required}
        try:
            if faults := faults_of(schema, values):
                reasons = "; ".join(f"{fault.path or 'arguments'}: {fault.message}" for fault in faults)
                return ToolResult(
                    f"The arguments of '{name}' do not fit: {reasons}. Correct them and call again.", False
                )
            reply = run(values)
        except Refused as no:
            details = "".join(f"\n- {detail.message}" for detail in no.details[:10])
            return _bound_result(ToolResult(f"{no}{details}", False))
        except OSError as exc:
            reason = exc.strerror or exc
            return ToolResult(f"'{name}' could not be done: {reason}. Try another path, or continue without it.", False)
        return _bound_result(reply if isinstance(reply, ToolResult) else ToolResult(reply))

    return Tool(name, description, schema, answer)


def place(path: str) -> tuple[str, ...]:
    """The names in ``path``; ``.`` is the project itself, and ``./a/`` is ``a``. Refuses what leads out, and .git."""
    inner = path if path.startswith("/") else path.rstrip("/").removeprefix("./")
    parts = () if inner in {"", "."} else parts_of(inner)
    if any(reserved_as(name) == ".git" for name in parts):
        raise Refused(
            "path_outside_project", f"'{path}' is git's own folder.", "Use the tool 'git' to look at history."
        )
    return parts


def relative(path: str) -> str:
    """The path of a file in normal form. Refuses what ``place`` refuses, and the project itself."""
    parts = place(path)
    if not parts:
        raise Refused("bad_argument", f"'{path}' is the project folder, and a file is wanted.", "Name a file in it.")
    return "/".join(parts)


def text_in(content: bytes, path: str) -> str:
    """The text of a file. Refuses binary content."""
    try:
        text = None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise Refused(
            "bad_argument",
            f"'{path}' is no UTF-8 text ({len(content):,} bytes).",
            "Work with the file that it is made from, or leave it as it is.",
        )
    return text


def whole_log(reach: Reach, log: Path | None) -> str:
    """Where the whole output of a child can be read, when that is inside the project."""
    root = reach.root.resolve()
    if log is None or not log.resolve().is_relative_to(root):
        return ""
    return f'\n[Whole output: read(path="{log.resolve().relative_to(root).as_posix()}")]'


def page(lines: Sequence[str], first: int, count: int, call: Callable[[int], str]) -> str:
    """Lines ``first`` … (1-based), at most ``count`` and at most what an answer holds. ``call``: how to get the
    rest, for the line to begin at. Refuses a ``first`` that is behind the last one.
    """
    if first > max(1, len(lines)):
        raise Refused("bad_argument", f"There are {len(lines):,} lines.", "Begin at a smaller from_line.")
    shown: list[str] = []
    room = _PAGE_BYTES
    for line in lines[first - 1 : first - 1 + count]:
        cut = line if len(line) <= _LINE_CHARACTERS else f"{line[:_LINE_CHARACTERS]}… [line truncated]"
        room -= len(cut.encode(errors="replace")) + 1
        if room < 0:
            break
        shown.append(cut)
    after = first + len(shown)
    if after <= len(lines):
        left = len(lines) - after + 1
        shown.append(f"[{left:,} more line{'s' if left > 1 else ''}. Next: {call(after)}]")
    return "\n".join(shown)


def _bound_result(result: ToolResult) -> ToolResult:
    """The last resort: every tool pages by itself. Terminal escapes and control characters never pass."""
    raw = result.text.encode(errors="replace")
    text = plain_text(raw)
    if len(raw) > MAX_RESULT_BYTES:
        kept = plain_text(raw[: MAX_RESULT_BYTES - 100])
        text = f"{kept}\n[cut: {len(raw):,} bytes in all. Ask for less.]"
    return ToolResult(text, result.ok)
