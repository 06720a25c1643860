"""The field types of templates: names, durations, fields with expressions.

Rules:
1. Unknown keys are errors; types are strict: ``"3"`` is not a number, ``1`` is not true.
2. A field declares the expressions it accepts (``Takes``); without the mark it accepts none.
3. Errors have readable messages (type ``wfe``) instead of patterns.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.effects import KeyEffect, KeyKind
from wfe_mcp.core.units import LONGEST_S, word_set

T = TypeVar("T")

ROOTS = ("inputs", "vars", "artifacts", "run", "phase", "item", "env")
"""The names every expression can begin with (design §5)."""

RESERVED_WORDS = word_set(
    """
    true false null in as break const continue else for function if import let loop package namespace return
    var void while
    """
)
"""CEL refuses these as names."""

CEL_TYPES = word_set(
    """
    bool bytes double duration dyn int list map null_type string timestamp type uint
    """
)
"""The names of CEL types; a loop's item cannot have one."""

LOOP_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A loop item's key, which is part of a path and a folder name."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"[1-9][0-9]{0,8}(ms|s|m|h|d)"
_IDENT = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_LABEL = r"[A-Za-z][A-Za-z0-9_-]{0,63}"

TakesKind = Literal["condition", "value", "text", "json"]


@dataclass(frozen=True, slots=True)
class Takes:
    """The field takes expressions: one that is true or false, one of any type, text with some, or JSON of texts."""

    kind: TakesKind


class Shape(BaseModel):
    """One object of a template: closed, frozen, strict. ``effect``: of the keys that state none of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)
    effect: ClassVar[KeyKind | None] = None


def required_key(
    meaning: str, *, example: object = ..., effect: KeyKind | None = None, noun: str | None = None, **limits: Any
) -> Any:
    """A key that a template must have. ``meaning``, ``example``: as the reference page and editors show them.

    ``effect``: what trust in the key allows, or why it allows nothing (``core/effects.py``). ``noun``: what stands
    before a name below this key in a listing of effects.
    """
    examples = None if example is ... else [example]
    return Field(description=meaning, examples=examples, json_schema_extra=KeyEffect(effect, noun=noun), **limits)


def optional(
    default: T,
    meaning: str,
    *,
    example: object = ...,
    effect: KeyKind | None = None,
    weakens: Callable[[Any], bool] | None = None,
    noun: str | None = None,
    order: tuple[str, ...] = (),
    **limits: Any,
) -> T:
    """A key that a template may leave out; its default, then as for ``required_key``. ``weakens``: which values weaken a gate.

    ``order``: its values, from the one that asks for least.
    """
    examples = None if example is ... else [example]
    mark = KeyEffect(effect, weakens, noun, order)
    return Field(default=default, description=meaning, examples=examples, json_schema_extra=mark, **limits)


Many = Annotated[tuple[T, ...], Field(strict=False)]
"""A JSON list. The relaxed mode lets a list become a tuple; its entries stay strict."""


def fault(message: str, **context: object) -> PydanticCustomError:
    """An error with its own message; ``{name}`` in ``message`` comes from ``context``."""
    return PydanticCustomError("wfe", cast("Any", message), context)


def takes(field: FieldInfo) -> TakesKind | None:
    """The expressions that the field accepts; None for none."""
    takes_mark = next((mark for mark in field.metadata if isinstance(mark, Takes)), None) or _mark_in(field.annotation)
    return takes_mark.kind if takes_mark else None


def _mark_in(annotation: object) -> Takes | None:
    if isinstance(annotation, Takes):
        return annotation
    parts = (*get_args(annotation), *getattr(annotation, "__metadata__", ()))
    return next((mark for part in parts if (mark := _mark_in(part))), None)


def duration_s(text: str) -> float:
    """Seconds of a duration such as ``"30s"`` or ``"5m"``; the model has checked its form."""
    digits = text.rstrip("mshd")
    return int(digits) * _UNITS[text[len(digits) :]]


def _matching(pattern: str, message: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise fault(message, found=_short(value), odd=_first_foreign(value))
        return value

    return check


def _first_foreign(value: str) -> str:
    """The first letter of ``value`` that is none of a-z: it may look like one (``а`` of Cyrillic)."""
    foreign = next((char for char in value if char.isalpha() and not char.isascii()), "")
    return f"; {foreign!r} is U+{ord(foreign):04X}, another letter" if foreign else ""


def _within_reach(duration: str) -> str:
    if duration_s(duration) > LONGEST_S:
        raise fault("{found} is longer than 100 years", found=_short(duration))
    return duration


def _short(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:57] + "…")


def _not_reserved(value: str) -> str:
    if value in RESERVED_WORDS:
        raise fault("{found} is a reserved word of the expression language; choose another name", found=repr(value))
    return value


def _schema_ref(value: object) -> object:
    if isinstance(value, str | dict):
        return cast("object", value)
    raise fault('must be the name of a schema ("plan@1") or a JSON Schema')


def choice(message: str, accepted: Callable[[object], bool], schema: dict[str, Any]) -> Any:
    """Annotations for a field of several types: ``accepted`` decides, ``message`` says what is valid."""

    def check(value: object) -> object:
        if accepted(value):
            return tuple(cast("list[object]", value)) if isinstance(value, list) else value
        raise fault(message)

    # Without its own serializer, pydantic warns about the list that a tuple becomes in JSON.
    return PlainValidator(check), PlainSerializer(lambda value: value, when_used="json"), WithJsonSchema(schema)


def discriminate_by(key: str, default: str | None = None) -> Discriminator:
    """Choose the model by ``key``. Tags are ``<kind>``: the brackets distinguish them from JSON keys."""

    def tag(value: object) -> str:
        if isinstance(value, dict):
            return f"<{cast('dict[str, object]', value).get(key, default)}>"
        return f"<{getattr(value, key, default)}>"

    return Discriminator(tag)


Ident = Annotated[
    str,
    AfterValidator(
        _matching(
            _IDENT,
            "{found} is not a name: begin with a letter (a-z, A-Z) or _, then letters, digits and _ (at most 64){odd}",
        )
    ),
    AfterValidator(_not_reserved),
    WithJsonSchema({"type": "string", "pattern": f"^{_IDENT}$"}),
]
"""A name that expressions can use: artifact, ``as``, ``assign``."""

PhaseId = Annotated[
    str,
    AfterValidator(
        _matching(
            _LABEL,
            "{found} is not an id: begin with a letter (a-z, A-Z), then letters, digits, _ and - (at most 64){odd}",
        )
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_LABEL}$"}),
]
"""A phase or step id."""

Label = Annotated[
    str,
    AfterValidator(
        _matching(
            _LABEL,
            "{found} is not a name: begin with a letter (a-z, A-Z), then letters, digits, _ and - (at most 64){odd}",
        )
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_LABEL}$"}),
]
"""The name of a template, role or check."""

Duration = Annotated[
    str,
    AfterValidator(
        _matching(
            _DURATION, '{found} is not a duration: write a whole number and ms, s, m, h or d, such as "30s" or "5m"'
        )
    ),
    AfterValidator(_within_reach),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}$", "examples": ["30s", "5m"]}),
]
"""A length of time, ``"30s"`` or ``"5m"``; ``duration_s`` gives its seconds."""

_ONE = {"type": "string", "pattern": r"^\$\{[\s\S]+\}$"}
Condition = Annotated[str, Takes("condition"), WithJsonSchema(_ONE)]
"""Exactly one ``${…}`` that is true or false."""

Expression = Annotated[str, Takes("value"), WithJsonSchema(_ONE)]
"""Exactly one ``${…}`` of any type."""

Text = Annotated[str, Takes("text")]
"""Text that may hold ``${…}``."""

Prompt = Annotated[
    str,
    Takes("text"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"file": {"type": "string", "pattern": r"^prompts/[A-Za-z0-9_][A-Za-z0-9_.-]*\.md$"}},
                    "required": ["file"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""Text that may hold ``${…}``; in a template folder also ``{"file": "prompts/x.md"}``, inlined when loaded."""

Json = Annotated[T, Takes("json")]
"""JSON whose texts may hold ``${…}``."""

SchemaRef = Annotated[
    str | dict[str, Any],
    PlainValidator(_schema_ref),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]}),
]
"""The name of a shipped schema (``plan@1``) or a JSON Schema 2020-12 whose root is an object."""
