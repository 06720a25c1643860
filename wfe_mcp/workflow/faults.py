"""Messages for the schema errors of a definition.

Schema errors concern keys, types and single names; ``lint`` checks the rest.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from wfe_mcp.artifacts.explain import kind_of
from wfe_mcp.core.errors import Detail, near_miss, nearest, pointer
from wfe_mcp.core.json_pointer import keys_at
from wfe_mcp.core.limits import ERRORS
from wfe_mcp.workflow.model.gates import Gate
from wfe_mcp.workflow.model.phases import Handed, Phase
from wfe_mcp.workflow.model.rules import OnFail
from wfe_mcp.workflow.model.template import Template

Fault = tuple[tuple[str | int, ...], Detail]
"""The place in the definition (keys and indexes), and the error."""

Location = tuple[str | int, ...]


def faults_of(error: ValidationError, document: object) -> list[Fault]:
    """Every error of ``document`` with its place, at most one more than lint lists. Tags of unions (``<loop>``) are not keys and are removed from the pointer."""
    faults: list[Fault] = []
    for entry in islice(error.errors(include_url=False), ERRORS.most + 1):
        if entry["type"] == "too_short" and entry["input"]:  # its entries are invalid, and reported themselves
            continue
        loc = tuple(entry["loc"])
        at = tuple(part for part in loc if not _is_tag(part) and part != "[key]")
        details = {**entry, "beside": keys_at(document, at[:-1])}
        message, expected = _explain(details, loc)
        got = None if entry["type"] == "missing" else short(details["input"])
        if entry["type"] == "union_tag_invalid" and (mapping := _as_object(details["input"])) is not None:
            key = _tag_key(details)
            at, got = (*at, key), short(mapping.get(key))
        faults.append((at, Detail(pointer(*at), message, expected, got)))
    return faults


def did_you_mean(found: str, valid: list[str] | tuple[str, ...], taken: Collection[str] = ()) -> str:
    """``; did you mean 'x'?`` when a valid name is near, else the valid names, if they are few. ``taken``: as of ``near_miss``."""
    listed = f"; there {'is' if len(valid) == 1 else 'are'} {', '.join(map(repr, valid))}"
    return near_miss(found, valid, listed if 0 < len(valid) <= 8 else "", taken)


def short(value: object) -> object:
    """The value, or its kind and size when it is too large to quote."""
    if isinstance(value, str):
        return value if len(value) <= 100 else value[:97] + "…"
    return _kind(cast("object", value)) if isinstance(value, dict | list) else value


def _is_tag(part: str | int) -> bool:
    return part in _TAGS


def _explain(entry: dict[str, Any], loc: Location) -> tuple[str, object]:
    explain = _WORDS.get(entry["type"])
    if explain:
        return explain(entry, loc)
    return str(entry["msg"]), None


def _unknown_key(entry: dict[str, Any], loc: Location) -> tuple[str, object]:
    key, valid = str(loc[-1]), _keys(_model_at(loc[:-1]))
    kinds = next((kinds for kinds in _UNIONS if loc[-2:-1] and loc[-2] in kinds), dict[str, type[BaseModel]]())
    others = [tag.strip("<>") for tag, model in kinds.items() if key in _keys(model)]
    if others:  # most often the kind is missing, or the key was taken from another kind
        this = str(loc[-2]).strip("<>")
        return f"unknown key {key!r} of {this!r}: it is a key of {', '.join(map(repr, others))}", sorted(valid)
    return f"unknown key {key!r}{did_you_mean(key, valid, entry['beside'])}", sorted(valid)


def _keys(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(info.alias or name for name, info in model.model_fields.items())


def _unknown_kind(entry: dict[str, Any], loc: Location) -> tuple[str, object]:
    valid = tuple(re.findall(r"<(\w+)>", cast("Mapping[str, str]", entry["ctx"])["expected_tags"]))
    key = _tag_key(entry)
    mapping = _as_object(entry["input"])
    if mapping is None:
        return f"must be an object with a {key!r}, not {_kind(entry['input'])}", list(valid)
    if key not in mapping:
        return f"{key!r} is missing; one of {', '.join(valid)}", list(valid)
    kind = str(short(mapping[key]))
    return f"unknown {key} {kind!r}{did_you_mean(kind, valid)}", list(valid)


def _tag_key(entry: dict[str, Any]) -> str:
    return "do" if "<retry>" in cast("Mapping[str, str]", entry["ctx"])["expected_tags"] else "kind"


def _not_one_of(entry: dict[str, Any], loc: Location) -> tuple[str, object]:
    valid = tuple(re.findall(r"'([^']*)'", cast("Mapping[str, str]", entry["ctx"])["expected"]))
    value = entry["input"]
    near = did_you_mean(value, valid) if isinstance(value, str) and nearest(value, valid, 1) else ""
    return f"must be {' or '.join(repr(v) for v in valid)}, not {short(value)!r}{near}", list(valid)


def _of_kind(kind: str) -> Callable[[dict[str, Any], Location], tuple[str, object]]:
    def explain(entry: dict[str, Any], loc: Location) -> tuple[str, object]:
        if kind == "text" and set(_as_object(entry["input"]) or ()) == {"file"}:
            return "a prompt file is only read from a template folder; put the text itself here", "text"
        return f"must be {kind}, not {_kind(entry['input'])}{_value_found(entry['input'])}", kind

    return explain


def _value_found(value: object) -> str:
    """`` ("2")``: the value as it is written, where it is a number or a text."""
    is_shown = isinstance(value, str | int | float) and not isinstance(value, bool)
    return f" ({json.dumps(short(value), ensure_ascii=False)})" if is_shown else ""


def _explain_bound(words: str, key: str) -> Callable[[dict[str, Any], Location], tuple[str, object]]:
    def explain(entry: dict[str, Any], loc: Location) -> tuple[str, object]:
        bound = cast("Mapping[str, object]", entry["ctx"])[key]
        return words.format(bound), bound

    return explain


_WORDS: dict[str, Callable[[dict[str, Any], Location], tuple[str, object]]] = {
    "missing": lambda _, loc: (f"{str(loc[-1])!r} is missing", _meaning(loc)),
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_kind,
    "literal_error": _not_one_of,
    "string_type": _of_kind("text"),
    "int_type": _of_kind("a whole number"),
    "int_from_float": _of_kind("a whole number"),
    "float_type": _of_kind("a number"),
    "bool_type": _of_kind("true or false"),
    "tuple_type": _of_kind("a list"),
    "dict_type": _of_kind("an object"),
    "model_type": _of_kind("an object"),
    "greater_than": _explain_bound("must be more than {}", "gt"),
    "greater_than_equal": _explain_bound("must be at least {}", "ge"),
    "less_than_equal": _explain_bound("must be at most {}", "le"),
    "too_short": _explain_bound("must have at least {} entry", "min_length"),
    "string_too_short": _explain_bound("must have at least {} character", "min_length"),
}
"""Error type → its message. Types that are not listed (``wfe``) have a readable message already."""


def _as_object(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _kind(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else kind_of(value)


# -- the model at a location ----------------------------------------------------------------------------------------


def _meaning(loc: Location) -> object:
    model = _model_at(loc[:-1])
    info = next(info for name, info in model.model_fields.items() if (info.alias or name) == loc[-1])
    return info.description


def _model_at(loc: Location) -> type[BaseModel]:
    """The model at the keys ``loc``, which must lead to an object of the template."""
    model: type[BaseModel] = Template
    for part in loc:
        if isinstance(part, int):
            continue
        if _is_tag(part):
            model = _TAGS[str(part)]
            continue
        info = next((info for name, info in model.model_fields.items() if (info.alias or name) == part), None)
        inner = _model_in(info.annotation) if info else None
        model = inner or model
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if issubclass(annotation, BaseModel) else None
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _tagged_models(annotation: object, found: dict[str, type[BaseModel]]) -> dict[str, type[BaseModel]]:
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        for mark in marks:
            if isinstance(mark, Tag):
                found[mark.tag] = inner
    for part in get_args(annotation):
        _tagged_models(part, found)
    return found


_UNIONS = [_tagged_models(cast("Any", union), {}) for union in (Phase, Gate, OnFail)]
_TAGS = {tag: model for kinds in [*_UNIONS, _tagged_models(cast("Any", Handed), {})] for tag, model in kinds.items()}
"""Tag → its model; phase kinds, gate kinds, ``do`` rules and context entries have distinct names."""
