"""May this text be kept and shown again, whichever door it came through?

Artifacts, inputs and templates have rules of their own (``artifacts.parse``); this is for every other word of a call.
"""

from collections.abc import Mapping

from wfe_mcp.core.errors import Detail, Refused, pointer

__all__ = ["MAX_NAME", "MAX_TEXT", "refuse_unkept"]

MAX_NAME = 2_000
"""Characters of a name, a title, a key or a path."""

MAX_TEXT = 50_000
"""Characters of what somebody tells somebody else."""

_TOLD = frozenset({"feedback", "reason", "comment", "note", "question", "phrase"})


def refuse_unkept(texts: Mapping[str, object]) -> None:
    """Nothing, when every text among the values can be kept; other values are passed over.

    Refuses ``bad_argument`` (NUL, half a character) and ``too_large``, every text at once.
    """
    faults: list[Detail] = []
    is_large = False
    for name, text in texts.items():
        most = MAX_TEXT if name in _TOLD else MAX_NAME
        if not isinstance(text, str):
            continue
        if len(text) > most:
            is_large = True
            faults.append(Detail(pointer(name), f"is longer than {most:,} characters", f"at most {most:,}", len(text)))
        elif "\x00" in text or _is_torn(text):
            faults.append(Detail(pointer(name), "holds NUL or half a character, which nothing can keep", "plain text"))
    if faults:
        code = "too_large" if is_large else "bad_argument"
        raise Refused(code, f"{faults[0].path} {faults[0].message}.", "Mend it and call again.", tuple(faults))


def _is_torn(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
