"""What is known about the values of names in expressions, and the names that cannot exist.

    Known.field("steps")   what ``artifacts.plan.steps`` is: Known, or None when the schema is closed and has no such name
    Known.element()        what a comprehension (``all``, ``map``, …) binds its variable to
    OPEN                   any value: names below it are not checked

A schema is closed where ``additionalProperties`` (or ``unevaluatedProperties``) is false. Any other schema is open: a
name is refused only when it cannot exist.

CEL checks names only down to the first dot; this checks the rest, ``artifacts.plan.steps[0].title`` and
``artifacts.plan.steps.all(s, s.title != '')``, against what is ``KnownValue``. It reads tokens, not a syntax tree: forms it
does not recognise are open, and CEL has checked the syntax before.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol, cast

from wfe_mcp.artifacts.inline import target_of
from wfe_mcp.core.dataclass import dataclass


class KnownValue(Protocol):
    """What is known of a value."""

    def field(self, name: str) -> "KnownValue | None":
        """What is known of ``name`` below this value; None when it cannot exist."""
        ...

    def element(self) -> "KnownValue":
        """What is known of a list's entry (a map's key)."""
        ...

    def at_index(self) -> "KnownValue":
        """What is known of ``value[…]`` for a computed index or key."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The known names below this value."""
        ...


@dataclass(frozen=True, slots=True)
class _Open:
    def field(self, name: str) -> KnownValue:
        return self

    def element(self) -> KnownValue:
        return self

    def at_index(self) -> KnownValue:
        return self

    names = ()


OPEN: KnownValue = _Open()


@dataclass(frozen=True, slots=True)
class Fields:
    """A closed set of names. ``hidden``: names that exist, but not here, and why."""

    known: Mapping[str, KnownValue]
    hidden: Mapping[str, str] = field(default_factory=dict[str, str])

    def field(self, name: str) -> KnownValue | None:
        """See Known."""
        return self.known.get(name)

    def element(self) -> KnownValue:
        """The keys of a map are texts."""
        return OPEN

    def at_index(self) -> KnownValue:
        """Any of the fields."""
        return OPEN

    @property
    def names(self) -> tuple[str, ...]:
        """See Known."""
        return tuple(name for name in self.known)  # a generator: their number is not asked for, which counts them


@dataclass(frozen=True, slots=True)
class MapOf(_Open):
    """A map whose keys are known only at run time, such as the items of a loop."""

    value: KnownValue

    def field(self, name: str) -> KnownValue:
        """See Known."""
        return self.value

    def at_index(self) -> KnownValue:
        """See Known."""
        return self.value


@dataclass(frozen=True, slots=True)
class SchemaNode:
    """A place in a JSON Schema ``document``."""

    schema: object
    document: Mapping[str, Any]

    def field(self, name: str) -> KnownValue | None:
        """See Known."""
        fields = [self._field(schema, name) for schema in self._alternatives()]
        return _join_known([value for value in fields if value is not None], self.document)

    def element(self) -> KnownValue:
        """See Known."""
        items = [schema["items"] for schema in self._alternatives() if "items" in schema]
        return _join_known([SchemaNode(item, self.document) for item in items], self.document) or OPEN

    def at_index(self) -> KnownValue:
        """See Known."""
        if any("items" in schema for schema in self._alternatives()):
            return self.element()
        maps = [schema.get("additionalProperties", True) for schema in self._alternatives()]
        return (
            SchemaNode(cast("object", maps[0]), self.document) if len(maps) == 1 and isinstance(maps[0], dict) else OPEN
        )

    @property
    def names(self) -> tuple[str, ...]:
        """See Known."""
        return tuple(dict.fromkeys(name for schema in self._alternatives() for name in schema.get("properties", {})))

    @property
    def types(self) -> frozenset[str]:
        """The JSON types that the value can have; empty where the schema leaves it open."""
        types = set[str]()
        for schema in self._alternatives():
            named: str | list[str] | None = schema.get("type")
            if named is None:
                return frozenset()
            types.update([named] if isinstance(named, str) else named)
        return frozenset(types)

    def _field(self, schema: Mapping[str, Any], name: str) -> KnownValue | None:
        properties = cast("Mapping[str, object]", schema.get("properties", {}))
        if name in properties:
            return SchemaNode(properties[name], self.document)
        kinds = schema.get("type", "object" if properties else None)
        if kinds is not None and "object" not in (kinds if isinstance(kinds, list) else [kinds]):
            return None
        if any(key in schema for key in _UNTOLD):
            return OPEN
        rest = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
        if rest is False:
            return None
        return SchemaNode(cast("object", rest), self.document) if isinstance(rest, dict) else OPEN

    def _alternatives(self) -> list[Mapping[str, Any]]:
        """The object forms of this value, with references and choices resolved."""
        alternatives: list[Mapping[str, Any]] = []
        waiting, seen = [self.schema], set[int]()
        while waiting:
            schema = waiting.pop()
            if id(schema) in seen:
                continue
            seen.add(id(schema))
            if not isinstance(schema, dict):  # true: anything
                alternatives.append({})
                continue
            form = cast("dict[str, Any]", schema)
            choices = [*form.get("anyOf", ()), *form.get("oneOf", ())]
            if "$ref" in form:
                found_there = target_of(self.document, str(form["$ref"]))
                choices.append(True if found_there is None else found_there)
            waiting += choices
            if not choices or "properties" in form:
                alternatives.append(form)
        return alternatives


def types_of(value: KnownValue) -> frozenset[str]:
    """The JSON types that ``value`` can have; empty where that is not known."""
    if isinstance(value, SchemaNode):
        return value.types
    return frozenset({"object"}) if isinstance(value, Fields | MapOf) else frozenset()


_UNTOLD = ("patternProperties", "allOf", "if", "dependentSchemas", "$dynamicRef")
"""Keywords that may define names which are not searched."""


def _join_known(values: list[KnownValue], document: Mapping[str, Any]) -> KnownValue | None:
    if len(values) <= 1:
        return values[0] if values else None
    schemas = [value.schema for value in values if isinstance(value, SchemaNode)]
    return SchemaNode({"anyOf": schemas}, document) if len(schemas) == len(values) else OPEN


_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      | (?P<text>(?:[bB]?[rR]|[rR][bB])(?:'''.*?'''|\"\"\".*?\"\"\"|'[^'\n]*'|"[^"\n]*")
               | [bB]?(?:'''(?:\\.|.)*?'''|\"\"\"(?:\\.|.)*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
      | (?P<number>\.?\d[\w.]*(?:(?<=[eE])[+-]\d+)?)
      | (?P<name>[A-Za-z_]\w*|`[^`]*`)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
_WORDS = frozenset({"true", "false", "null", "in"})

_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that cannot exist: ``owner`` has no ``name``. ``valid``: its names; ``why``: where the name exists."""

    owner: str
    name: str
    valid: tuple[str, ...]
    why: str = ""


@dataclass(slots=True)
class UsedNames:
    """The names of an expression. ``value``: what is known of its value, when it is one chain of names."""

    roots: set[str] = field(default_factory=set[str])
    whole_roots: set[str] = field(default_factory=set[str])
    unknown: list[Unknown] = field(default_factory=list[Unknown])
    value: KnownValue = OPEN


def used_names(source: str, roots: Mapping[str, KnownValue]) -> UsedNames:
    """The names of ``source``, looked up from ``roots``. CEL reports an unknown root."""
    return _Walk(source, roots).used


class _Walk:
    """One pass over the tokens; ``position`` is the next token."""

    def __init__(self, source: str, roots: Mapping[str, KnownValue]) -> None:
        self.tokens = [
            (str(match.lastgroup), match[0]) for match in _TOKEN.finditer(source) if match.lastgroup != "space"
        ]
        self.position = 0
        self.roots = roots
        self.used = UsedNames()
        if _depth(self.tokens) > _DEEPEST:  # CEL refuses it; the recursion here must not overflow before
            return
        operands = self._operands({}, end="")
        self.used.value = operands[0] if len(operands) == 1 else OPEN

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self.position + ahead
        return self.tokens[at] if at < len(self.tokens) else ("end", "")

    def _operands(self, bound: Mapping[str, KnownValue], end: str) -> list[KnownValue]:
        """Every operand up to the sign ``end``, which is consumed. Operators are ignored."""
        values: list[KnownValue] = []
        while self.position < len(self.tokens):
            kind, text = self._peek()
            if kind == "sign" and text == end:
                self.position += 1
                break
            if kind == "sign" and text not in "([{":
                self.position += 1
                if text not in ".,":
                    values.append(OPEN)
                continue
            values.append(self._operand(bound))
        return values

    def _operand(self, bound: Mapping[str, KnownValue]) -> KnownValue:
        kind, text = self._peek()
        self.position += 1
        if kind == "sign":
            inner = self._operands(bound, {"(": ")", "[": "]", "{": "}"}[text])
            return self._postfix(inner[0] if text == "(" and len(inner) == 1 else OPEN, "(…)", bound)
        if kind != "name" or text in _WORDS:
            return self._postfix(OPEN, text, bound)
        if self._peek() == ("sign", "("):
            self.position += 1
            self._operands(bound, ")")
            return self._postfix(OPEN, f"{text}(…)", bound)
        if text in bound:
            return self._postfix(bound[text], text, bound)
        self.used.roots.add(text)
        if self._peek() != ("sign", ".") or self._peek(2) == ("sign", "("):
            self.used.whole_roots.add(text)
        return self._postfix(self.roots.get(text, OPEN), text, bound)

    def _postfix(self, value: KnownValue, path: str, bound: Mapping[str, KnownValue]) -> KnownValue:
        while True:
            sign, name = self._peek(), self._peek(1)
            if sign == ("sign", ".") and name[0] == "name":
                self.position += 2
                if self._peek() == ("sign", "("):
                    self.position += 1
                    value = self._call(name[1], value, bound)
                    path = f"{path}.{name[1]}(…)"
                else:
                    value, path = self._select(value, path, name[1].strip("`")), f"{path}.{name[1]}"
            elif sign == ("sign", "["):
                value, path = self._index(value, path, bound)
            else:
                return value

    def _select(self, value: KnownValue, path: str, name: str) -> KnownValue:
        below = value.field(name)
        if below is not None:
            return below
        why = value.hidden.get(name, "") if isinstance(value, Fields) else ""
        self.used.unknown.append(Unknown(path, name, value.names, why))
        return OPEN

    def _index(self, value: KnownValue, path: str, bound: Mapping[str, KnownValue]) -> tuple[KnownValue, str]:
        (kind, text), after = self._peek(1), self._peek(2)
        self.position += 1
        if kind == "text" and after == ("sign", "]") and text[0] in "'\"" and "\\" not in text:
            self.position += 2
            return self._select(value, path, text.strip("'\"")), f"{path}[{text}]"
        self._operands(bound, "]")
        return value.at_index(), f"{path}[{text if kind == 'number' and after == ('sign', ']') else '…'}]"

    def _call(self, name: str, value: KnownValue, bound: Mapping[str, KnownValue]) -> KnownValue:
        kind, variable = self._peek()
        if name in _MACROS and kind == "name" and self._peek(1) == ("sign", ","):
            self.position += 2
            self._operands({**bound, variable: value.element()}, ")")
            return value if name == "filter" else OPEN
        self._operands(bound, ")")
        return OPEN


def _depth(tokens: list[tuple[str, str]]) -> int:
    depth = deepest = 0
    for kind, text in tokens:
        if kind == "sign":
            depth += (text in "([{") - (text in ")]}")
            deepest = max(deepest, depth)
    return deepest
