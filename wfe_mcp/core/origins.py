"""What started a run, as its caller says it: texts that only a trigger of the configuration gives are refused from others."""

from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.core.model import By, Channel

_ORIGIN_CHARS = 200
_TRIGGERS = (Channel.INCOMING, Channel.SCHEDULE)


def refuse_of_triggers(by: By, **given: str | None) -> None:
    """Refuse texts that only a trigger gives to what it starts: a caller could take the key of a time or a message."""
    own = tuple(f"{trigger} " for trigger in _TRIGGERS)
    for name, key in given.items():
        if key and key.startswith(own) and by.channel not in _TRIGGERS:
            raise Refused(
                "bad_argument",
                f"{name} begins with {key.split()[0]!r}: so begins what a trigger of the configuration gives.",
                f"Choose another one, such as 'my {key[:80]}'.",
                (Detail(pointer(name), "belongs to triggers", "another beginning", key[:80]),),
            )


def origin_of(**given: str) -> dict[str, str]:
    """Where a run comes from, as far as its caller gave it. Refuses ``bad_argument``: more than a line of 200 characters."""
    for name, text in given.items():
        if len(text) > _ORIGIN_CHARS or not text.isprintable():
            raise Refused(
                "bad_argument",
                f"{name} is one line of at most {_ORIGIN_CHARS} characters.",
                "Shorten it.",
                (Detail(pointer(name), "is too long or no single line"),),
            )
    return {name: text for name, text in given.items() if text}
