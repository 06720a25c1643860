"""Tool declarations as the SDK's tools with slim schemas, and the validation of their arguments.

Rules:
1. Unknown names and wrong types are refused, all at once, each with a JSON pointer and what was expected.
2. ``null`` for an optional argument is the same as omitting it.
3. Nothing is converted: text that looks like JSON or like a number stays text.
4. Text that cannot be stored (NUL, a lone surrogate) or is too long is refused.
"""

from collections.abc import Mapping
from typing import Any

from mcp.server.mcpserver.tools import Tool
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from wfe_mcp.core.errors import Detail, Refused, near_miss, nearest_hint, pointer
from wfe_mcp.core.texts import refuse_unkept

_SHOWN_CHARS = 80


def check_arguments(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The validated arguments for the body of ``tool``. Refuses ``bad_argument``."""
    known: dict[str, Any] = tool.parameters.get("properties", {})
    required: list[str] = tool.parameters.get("required", [])
    optional = known.keys() - set(required)
    values = {name: value for name, value in arguments.items() if value is not None or name not in optional}
    details = [_unknown(name, known) for name in values if name not in known]
    accepted: dict[str, Any] = {}
    try:
        model = tool.fn_metadata.arg_model.model_validate(
            {name: value for name, value in values.items() if name in known}, strict=True
        )
        accepted = model.model_dump_one_level()
    except ValidationError as exc:
        details += [_wrong(error, known) for error in exc.errors(include_url=False)]
    if details:
        raise Refused(
            "bad_argument",
            _message(tool.name, details),
            _COMMANDS.get((tool.name, details[0].got), "Call it again with the arguments named in details."),
            tuple(details),
        )
    refuse_unkept(accepted)
    return accepted


def unknown_tool(name: str, tools: list[str]) -> Refused:
    """The refusal for an unknown tool."""
    hint = nearest_hint(name, tools, f"Tools: {', '.join(tools)}.")
    detail = Detail("", "no such tool", expected=tools, got=name[:_SHOWN_CHARS])
    return Refused("bad_argument", f"There is no tool {name[:_SHOWN_CHARS]!r}.", hint, (detail,))


def _message(tool: str, details: list[Detail]) -> str:
    first = details[0]
    more = f" ({len(details) - 1} more in details)" if len(details) > 1 else ""
    text = f"{tool} cannot take these arguments: {first.path or 'the whole'} {first.message}{more}"
    return text if text.endswith("?") else f"{text}."


def _unknown(name: str, known: Mapping[str, Any]) -> Detail:
    message = f"is not an argument of this tool{near_miss(name, known)}"
    return Detail(pointer(name[:_SHOWN_CHARS]), message, expected=sorted(known))


def _wrong(error: ErrorDetails, known: Mapping[str, Any]) -> Detail:
    name = str(error["loc"][0]) if error["loc"] else ""
    expected = {key: value for key, value in known.get(name, {}).items() if key != "description"}
    got = None if error["type"] == "missing" else _small(error["input"])
    text = _MESSAGES.get(error["type"])
    message = error["msg"].lower() if text is None else text.format(**error.get("ctx", {}))
    return Detail(pointer(*error["loc"]), message, expected or None, got)


_COMMANDS: Mapping[tuple[str, object], str] = {
    ("work", action): f"That is a command of the terminal: wfe-mcp work {action} {words}".rstrip()
    for action, words in (
        ("import", "FILE"),
        ("export", "FOLDER"),
        ("attach", "ITEM FILE"),
        ("promote", "ITEM"),
        ("report", ""),
    )
}
"""What is no action of a tool and has a command, by the tool and the action."""

_MESSAGES = {
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
}
"""Kinds of errors in plain words; the names in braces are of the error's context."""


def _small(value: object) -> object:
    """The found value, short enough to quote."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= _SHOWN_CHARS else value[:_SHOWN_CHARS] + "…"
    return "an object" if isinstance(value, dict) else "a list"
