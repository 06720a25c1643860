"""Texts by who reads them: an agent asks its user for what only a person does, and a person at a terminal or page does it.

written, and read by an agent                          read by the person
Ask the user to run: wfe-mcp trust                     wfe-mcp trust
ask the user to set `junit` and to run wfe-mcp trust   set `junit` and run wfe-mcp trust
Ask the user: if it was moved, …                       If it was moved, …
"""

import re

_RUN = re.compile(r"\b[Aa]sk the user to run(?: this)?(?: in a terminal of their own)?: ")
_DO = re.compile(r"\b([Aa])sk the user to ([^.;\n]*(?:\.(?! |$)[^.;\n]*)*)", re.MULTILINE)
"""One step in one line: what stands below it is another's text."""
_MORE = re.compile(r"(,|\band|\bor|\bthen) to (?=[a-z])")
_OTHERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b([Oo])nly the user can\b"), r"\1nly you can"),
    (re.compile(r"\bAsk the user (which|whether)\b"), r"See \1"),
    (re.compile(r"\bask the user (which|whether)\b"), r"see \1"),
    (re.compile(r" \(in a terminal of their own\)(?!\w)"), ""),
    (re.compile(r"\btheir own configuration\b"), "your own configuration"),
)
_CASE = re.compile(r"\b(?:Ask|Tell) the user: ([a-z])")


def for_person(text: str) -> str:
    """``text``, which was written for an agent, as the person reads it who is asked there."""
    text = _DO.sub(_own_step, _RUN.sub("", _CASE.sub(_as_begun, text)))
    for pattern, words in _OTHERS:
        text = pattern.sub(words, text)
    return text


def _own_step(found: re.Match[str]) -> str:
    step = _MORE.sub(r"\1 ", found[2])
    # Of other letters some have a capital of two, or one that is another's.
    return step[:1].upper() + step[1:] if found[1] == "A" and step[:1].isascii() else step


def _as_begun(found: re.Match[str]) -> str:
    return found[1].upper()
