"""What is known about the values of names in expressions.

    Known.field("steps")   what ``artifacts.plan.steps`` is: Known, or None when the schema is closed and has no such name
    Known.element()        what a comprehension (``all``, ``map``, …) binds its variable to
    OPEN                   any value: names below it are not checked

A schema is closed where ``additionalProperties`` (or ``unevaluatedProperties``) is false. Any other schema is open: a
name is refused only when it cannot exist.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol, cast

from wfe_mcp.core.dataclass import dataclass


class Known(Protocol):
    """What is known of a value."""

    def field(self, name: str) -> "Known | None":
        """What is known of ``name`` below this value; None when it cannot exist."""
        ...

    def element(self) -> "Known":
        """What is known of a list's entry (a map's key)."""
        ...

    def at_index(self) -> "Known":
        """What is known of ``value[…]`` for a computed index or key."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The known names below this value."""
        ...


@dataclass(frozen=True, slots=True)
class _Open:
    def field(self, name: str) -> Known:
        return self

    def element(self) -> Known:
        return self

    def at_index(self) -> Known:
        return self

    names = ()


OPEN: Known = _Open()


@dataclass(frozen=True, slots=True)
class Fields:
    """A closed set of names. ``hidden``: names that exist, but not here, and why."""

    known: Mapping[str, Known]
    hidden: Mapping[str, str] = field(default_factory=dict[str, str])

    def field(self, name: str) -> Known | None:
        """See Known."""
        return self.known.get(name)

    def element(self) -> Known:
        """The keys of a map are texts."""
        return OPEN

    def at_index(self) -> Known:
        """Any of the fields."""
        return OPEN

    @property
    def names(self) -> tuple[str, ...]:
        """See Known."""
        return tuple(name for name in self.known)  # a generator: their number is not asked for, which counts them


@dataclass(frozen=True, slots=True)
class MapOf(_Open):
    """A map whose keys are known only at run time, such as the items of a loop."""

    value: Known

    def field(self, name: str) -> Known:
        """See Known."""
        return self.value

    def at_index(self) -> Known:
        """See Known."""
        return self.value


@dataclass(frozen=True, slots=True)
class SchemaNode:
    """A place in a JSON Schema ``document``."""

    schema: object
    document: Mapping[str, Any]

    def field(self, name: str) -> Known | None:
        """See Known."""
        found = [self._field(schema, name) for schema in self._alternatives()]
        return _joined([known for known in found if known is not None], self.document)

    def element(self) -> Known:
        """See Known."""
        items = [schema["items"] for schema in self._alternatives() if "items" in schema]
        return _joined([SchemaNode(item, self.document) for item in items], self.document) or OPEN

    def at_index(self) -> Known:
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

    def _field(self, schema: Mapping[str, Any], name: str) -> Known | None:
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
        found: list[Mapping[str, Any]] = []
        waiting, seen = [self.schema], set[int]()
        while waiting:
            schema = waiting.pop()
            if id(schema) in seen:
                continue
            seen.add(id(schema))
            if not isinstance(schema, dict):  # true: anything
                found.append({})
                continue
            form = cast("dict[str, Any]", schema)
            choices = [*form.get("anyOf", ()), *form.get("oneOf", ())]
            if "$ref" in form:
                choices.append(_target(form["$ref"], self.document))
            waiting += choices
            if not choices or "properties" in form:
                found.append(form)
        return found


_UNTOLD = ("patternProperties", "allOf", "if", "dependentSchemas", "$dynamicRef")
"""Keywords that may define names which are not searched."""


def _joined(found: list[Known], document: Mapping[str, Any]) -> Known | None:
    if len(found) <= 1:
        return found[0] if found else None
    schemas = [known.schema for known in found if isinstance(known, SchemaNode)]
    return SchemaNode({"anyOf": schemas}, document) if len(schemas) == len(found) else OPEN


def _target(reference: object, document: Mapping[str, Any]) -> object:
    node: object = document
    for part in str(reference).removeprefix("#").strip("/").split("/"):
        if part:
            name = part.replace("~1", "/").replace("~0", "~")
            node = cast("Mapping[str, object]", node).get(name, True) if isinstance(node, dict) else True
    return node
