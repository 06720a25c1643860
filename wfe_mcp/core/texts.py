"""How a text is shown so that nothing in it is hidden, and limits for the texts of a call: the same for every interface.

Artifacts, inputs and templates have their own rules (``artifacts.parse``); these are for every other text.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from wfe_mcp.core.canonical import cannot_be_encoded
from wfe_mcp.core.errors import Detail, Refused, pointer

MAX_NAME = 2_000
"""Characters of a name, a title, a key or a path."""

MAX_TEXT = 50_000
"""Characters of feedback, a reason, a comment, a note or a question."""

MESSAGE_CHARS = 400
"""Characters of a message where several are shown: enough for an event and the choices that follow from it."""

_LONG = frozenset({"feedback", "reason", "comment", "note", "question", "phrase"})

# Unicode's Default_Ignorable_Code_Point, and letters that are blank although Unicode does not say so: the line and
# paragraph separators, fillers, the empty Braille cell, a note without a head, annotation and hieroglyph controls.
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
MARK = "❖"
"""Begins the line above a question for the PIN. No value shows it: where one has it, it is written out."""

WRITTEN_OUT = f"[{_CONTROLS}{_UNSEEN}{MARK}]"
"""A regular expression: one character that is shown by its code. Besides these, a text in one line shows line feeds as ⏎."""

_WRITTEN_OUT = re.compile(WRITTEN_OUT)
_EMOJI = "[©®\u203c-\u3299\U0001f000-\U0001faff]"
_SCRIPTS = "[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af]"
# What honest text has: the parts of an emoji, a joiner between letters of scripts that need it, a byte order mark at the
# beginning of a file, and line ends and page breaks of other systems.
_USUAL = (
    f"(?<={_EMOJI})[\ufe0e\ufe0f]|(?<=[#*0-9])\ufe0f(?=\u20e3)|(?<=[\ufe0f\U0001f000-\U0001faff])\u200d(?={_EMOJI})|(?<={_SCRIPTS})[\u200c\u200d](?={_SCRIPTS})"
    f"|\\A[ +-]?\ufeff|\r(?=\n|\\Z)|[\x0c{MARK}]"
)
_UNUSUAL = re.compile(f"({_USUAL})|{WRITTEN_OUT}")
_NO_LINE = re.compile(f"[{_CONTROLS}\t\n\ufeff{MARK}]")
_LIKE_LATIN = "[аеорсухіјѕһӏԁԛԝАВЕКМНОРСТУХІЈЅԚԜοΑΒΕΖΗΙΚΜΝΟΡΤΥΧ]"
_LOOKALIKE = re.compile(f"(?<=[A-Za-z]){_LIKE_LATIN}|{_LIKE_LATIN}(?=[A-Za-z])")


def clean(text: str) -> str:
    """``text`` with every character that a terminal would obey, or that no one sees, written out: ``<U+200B>``.

    Line feeds and tabs stay; ``one_line`` is for what has to stay in a line.
    """
    return _WRITTEN_OUT.sub(_code, text.replace("\r\n", "\n"))


def slug(text: str, most: int) -> str:
    """``text`` as part of the name of a branch, a folder or a check: small letters, digits and single dashes, at most ``most``."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:most].rstrip("-")


_LAST_PART, _FIRST_PART = re.compile(r"(?<=\s)\S{1,30}\Z"), re.compile(r"\A\S{1,30}(?=\s)")


def in_short(text: str, most: int = MESSAGE_CHARS) -> str:
    """The first line of ``text``, without its middle where it has more than ``most`` characters.

    A message has the event first in that line and the next step last; output follows in further lines.
    """
    first = text.strip().partition("\n")[0]
    return without_middle(first, most)


def without_middle(text: str, most: int) -> str:
    """``text``, of more than ``most`` characters at most so many at both ends; a word of usual length is not cut."""
    if len(text) <= most:
        return text
    head, tail = _LAST_PART.sub("", text[: most // 2]), _FIRST_PART.sub("", text[-(most // 2) :])
    return f"{head.rstrip()} … {tail.lstrip()}"


def event_words(event_type: str) -> str:
    """A type of event as a person reads it: ``PersonLoggedIn`` is "person logged in"."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", event_type).lower()


def cut(text: str, most: int) -> str:
    """The beginning of ``text``, at most ``most`` characters; an ellipsis stands for the rest."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def one_line(text: str) -> str:
    """``text`` cleaned and in one line, whatever it holds: a line feed is shown as ⏎."""
    return clean(text).replace("\n", "⏎").replace("\t", " ")


def visible_json(
    value: object,
    *,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """``value`` as JSON in which every such character is an escape: nothing is hidden, and it reads back as the same value."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, default=default)
    return _WRITTEN_OUT.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _code(match: re.Match[str]) -> str:
    return f"<U+{ord(match[0]):04X}>"


def unseen(text: str) -> dict[str, int]:
    """Characters of ``text`` that are written out and that honest text does not have, by code, with how often.

    The parts of an emoji, joiners within a word of Arabic or Indic scripts and a byte order mark at the beginning are usual.
    """
    if text.isascii() and text.isprintable():
        return {}
    return dict(Counter(_code(match) for match in _WRITTEN_OUT.finditer(re.sub(_USUAL, "", text))))


def is_line(value: object, most: int) -> bool:
    """Whether ``value`` is a text of one to ``most`` characters, in one line in which nothing hides.

    The joiners of an emoji and of words that need them hide nothing.
    """
    return isinstance(value, str) and 0 < len(value) <= most and not (_NO_LINE.search(value) or unseen(value))


def without_unseen(text: str) -> str:
    """``text`` with each character that ``unseen`` counts written out; emoji and line ends stay as they are."""
    return text if text.isascii() and text.isprintable() else _UNUSUAL.sub(lambda found: found[1] or _code(found), text)


def lookalikes(text: str) -> dict[str, int]:
    """Cyrillic and Greek letters of ``text`` that look like Latin ones and stand beside one, by code, with how often."""
    return {} if text.isascii() else dict(Counter(_code(match) for match in _LOOKALIKE.finditer(text)))


def as_given(title: str) -> str:
    """A title of a run as it was given: it is stored with such characters written out (``titles.py``)."""
    return re.sub("<U\\+(?:10|0?[0-9A-F])?[0-9A-F]{4}>", lambda found: chr(int(found[0][3:-1], 16)), title)


def unseen_words(found: Mapping[str, Mapping[str, int]], what: str = "Characters that no one sees are in") -> str:
    """How often which such character is at which place; empty where there is none. ``what``: how the sentence begins."""
    places = [
        f"{place} ({', '.join(f'{code} {count}×' for code, count in codes.items())})"
        for place, codes in found.items()
        if codes
    ]
    return f"{what} {'; '.join(places)}" if places else ""


def refuse_unkept(texts: Mapping[str, object]) -> None:
    """Check that every text among the values can be stored; other values are ignored.

    Refuses ``bad_argument`` (NUL, half a character) and ``too_large``, every text at once.
    """
    faults: list[Detail] = []
    is_large = False
    for name, text in texts.items():
        most = MAX_TEXT if name in _LONG else MAX_NAME
        if not isinstance(text, str):
            continue
        if len(text) > most:
            is_large = True
            faults.append(Detail(pointer(name), f"is longer than {most:,} characters", f"at most {most:,}", len(text)))
        elif "\x00" in text or cannot_be_encoded(text):
            faults.append(Detail(pointer(name), "holds NUL or half a character, which cannot be stored", "plain text"))
    if faults:
        code = "too_large" if is_large else "bad_argument"
        raise Refused(code, f"{faults[0].path} {faults[0].message}.", "Fix it and call again.", tuple(faults))
