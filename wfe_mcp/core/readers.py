"""Texts by who reads them: an agent asks its user for what only a person does, and a person at a terminal or page does it.

written, and read by an agent                          read by the person
Ask the user to run: wfe-mcp trust                     wfe-mcp trust
ask the user to set `junit` and to run wfe-mcp trust   set `junit` and run wfe-mcp trust
Ask the user: if it was moved, …                       If it was moved, …

And a command about work items or checkpoints that has a call of a tool is read by an agent as that call:

written, and read by the person                        read by an agent
Look at it: wfe-mcp work show W-4                      Look at it: work(action='show', id='W-4')
"""

import re
import shlex
from itertools import combinations

_RUN = re.compile(r"\b[Aa]sk the user to run(?: this)?(?: in a terminal of their own)?: ")
_DO = re.compile(r"\b([Aa])sk the user to ([^.;\n]*(?:\.(?! |$)[^.;\n]*)*)", re.MULTILINE)
"""One step in one line: what stands below it is another's text."""
_MORE = re.compile(r"(,|\band|\bor|\bthen) to (?=[a-z])")
_OTHERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b([Oo])nly the user can\b"), r"\1nly you can"),
    (re.compile(r"\bthe user fixes it with: "), "fix it with: "),
    (re.compile(r"\bthe user tries it again with: "), "try it again with: "),
    (re.compile(r"\bthe user's (decision|task|form|approval)\b"), r"your \1"),
    (re.compile(r"\bAsk the user (which|whether)\b"), r"See \1"),
    (re.compile(r"\bask the user (which|whether)\b"), r"see \1"),
    (re.compile(r" \(in a terminal of their own\)(?!\w)"), ""),
    (re.compile(r"\btheir own configuration\b"), "your own configuration"),
    (re.compile(r"\bCall status\b"), "Run wfe-mcp status"),
    (re.compile(r"\bcall status\b"), "run wfe-mcp status"),
    (re.compile(r"\bcall start_run again\b"), "start the run again"),
    (re.compile(r": follow next\.(?=\s|\Z)"), "."),  # the commands that come next are below
    (re.compile(r"( Next: [^\n]+) \[[a-z_]+\]\Z"), r"\1"),  # the code at the end of a stored fault, for programs
)
_PROGRAM = r"\bwfe-mcp"
_CASE = re.compile(r"\b(?:Ask|Tell) the user: ([a-z])")

_FIELDS = {
    "--title TEXT": "'title': TEXT",
    "--body TEXT": "'body': TEXT",
    "--criterion TEXT": "'criteria': [TEXT]",
    "--fill": "'fill': true",
}
_WORK = (
    (r"work show (W-\d+)\b", r"'show', id='\1'"),
    (r"work start (W-\d+)\b", r"'change', id='\1', status='active'"),
    (r"work block (W-\d+) REASON\b", r"'change', id='\1', status='blocked', item={'reason': REASON}"),
    (r"work edit (W-\d+) --status ready\b", r"'change', id='\1', status='ready'"),
    *(
        (
            rf"work edit (W-\d+) {' '.join(options)}{option}\b",
            rf"'change', id='\1'{status}, item={{{', '.join(_FIELDS[option] for option in options)}}}",
        )
        for option, status in (("", ""), (" --status ready", ", status='ready'"))
        for many in (1, 2, 3)
        for options in combinations(_FIELDS, many)
    ),
    (r"work list --status (\w+)\b", r"'list', status='\1'"),
    (r"work list\b", "'list'"),
    (r"work add TITLE\b", "'add', item={'title': TITLE}"),
    (r"work add TITLE --parent (W-\d+)\b", r"'add', item={'title': TITLE, 'parent': '\1'}"),
    (r"(claim|decision) add TITLE\b", r"'add', kind='\1', item={'title': TITLE}"),
)
"""A command about work items and the arguments of its call."""

_CALLS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"\bwfe-mcp {command}(?! --)"), call)
    for command, call in (
        (r"checkpoints ([\w-]+)", r"status(run='\1', detail='full')"),
        *((command, f"work(action={call})") for command, call in _WORK),
    )
)
"""A command and its call. With a further option it is the user's."""
_SCOPE = r"""(?: --scope (?:'[^']*'|"[^"]*"|[^\s;'"])+)"""
_SCOPES = re.compile(rf"{_PROGRAM} work edit (W-\d+)({_SCOPE}+)(?![^\s;])(?! --)")


def for_agent(text: str) -> str:
    """``text``, which was written for a person, as an agent reads it: with a call where it has one."""
    for command, call in _CALLS:
        text = command.sub(call, text)
    return _SCOPES.sub(_with_scopes, text)


def _with_scopes(match: re.Match[str]) -> str:
    paths = shlex.split(match[2])[1::2]
    listed = ", ".join(path if path == "PATH" else repr(path) for path in paths)
    return f"work(action='change', id='{match[1]}', item={{'scopes': [{listed}]}})"


def by_own_pin(command: str, *, at_cli: bool) -> str:
    """How the user runs what needs their PIN. The person who typed it reads this only without a terminal: at one it asks for the PIN."""
    how = "Run it in a terminal of your own, which asks for your PIN, or pass the PIN with --pin-fd N"
    return f"{how if at_cli else 'Ask the user to run in a terminal of their own'}: {command}"


def for_person(text: str) -> str:
    """``text``, which was written for an agent, as the person reads it who is asked there."""
    text = _DO.sub(_own_step, _RUN.sub("", _CASE.sub(_as_begun, text)))
    for pattern, words in _OTHERS:
        text = pattern.sub(words, text)
    return text


def _own_step(match: re.Match[str]) -> str:
    step = _MORE.sub(r"\1 ", match[2])
    # Of other letters some have a capital of two, or one that is another's.
    return step[:1].upper() + step[1:] if match[1] == "A" and step[:1].isascii() else step


def _as_begun(match: re.Match[str]) -> str:
    return match[1].upper()
