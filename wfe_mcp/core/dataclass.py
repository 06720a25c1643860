"""Dataclasses whose methods are written at their first use.

``dataclasses.dataclass`` writes and compiles six methods for each frozen class while its module loads. That takes almost 1 ms,
and a status loads 300 classes, of which it makes objects of 60. Here ``__init__`` is compiled when the first object is made,
and the other methods are the same functions for all classes.

Rules:
1. ``frozen``, ``slots`` and ``kw_only`` mean what they mean in ``dataclasses``. There is no ``InitVar``; a class that needs
   ``order`` or another parameter takes the standard library's decorator.
2. ``fields``, ``replace``, ``asdict``, ``copy``, ``pickle`` and Pydantic see ordinary dataclasses, and so do type checkers.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass
else:

    def dataclass(
        cls: type | None = None, /, *, frozen: bool = False, slots: bool = False, kw_only: bool = False
    ) -> type | Callable[[type], type]:
        """As ``dataclasses.dataclass``."""

        def decorate(kind: type) -> type:
            return _make_dataclass(kind, frozen=frozen, slots=slots, kw_only=kw_only)

        return decorate if cls is None else decorate(cls)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,))
class Message(type):
    """The type of events and commands: each class is frozen, has slots, and takes its values by name, without a decorator."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
        """The class, as ``dataclass(frozen=True, slots=True, kw_only=True)`` makes it."""
        kind = super().__new__(cls, name, bases, body)
        # For its slots ``dataclasses`` makes the class once more.
        return kind if "__slots__" in body else _make_dataclass(kind, frozen=True, slots=True, kw_only=True)


def _make_dataclass(kind: type, *, frozen: bool, slots: bool, kw_only: bool) -> type:
    own = set(vars(kind)) - {"__hash__"}  # None where the class has an ``__eq__`` of its own
    if not kind.__doc__:
        kind.__doc__ = kind.__name__  # else ``dataclasses`` describes the parameters, which takes as long as a method
    plain: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)
    complete: Any = plain(kind)
    methods: dict[str, object] = {"__init__": _init_of(complete), "__repr__": _repr, "__eq__": _eq}
    methods["__hash__"] = _hash if frozen else None
    if frozen:
        methods |= {"__setattr__": _set, "__delattr__": _delete}
        methods |= {"__getstate__": _state, "__setstate__": _set_state}
    for name, method in methods.items():
        if name not in own:
            setattr(complete, name, method)
    return complete


def _init_of(kind: Any) -> Callable[..., None]:
    """The ``__init__`` that puts the compiled one in its place when it is first called."""

    def first(self: object, *values: object, **named: object) -> None:
        written = _written_init(kind)
        kind.__init__ = written
        written(self, *values, **named)

    return first


def _written_init(kind: Any) -> Callable[..., None]:
    """The ``__init__`` that ``dataclasses`` writes for these fields."""
    same = [(field.name, object, _same(field)) for field in dataclasses.fields(kind)]
    after = {"__post_init__": None} if hasattr(kind, "__post_init__") else {}
    # Frozen: then it sets attributes past the refusal. Slots: then it sets those that are no parameters too.
    model: Any = dataclasses.make_dataclass(
        kind.__name__, same, namespace=after, frozen=True, slots=True, repr=False, eq=False
    )
    return model.__init__


def _same(field: dataclasses.Field[Any]) -> Any:
    new_field: Any = dataclasses.field  # its overloads want either default
    return new_field(
        default=field.default, default_factory=field.default_factory, init=field.init, kw_only=field.kw_only
    )


@cache
def _compared_values(kind: Any) -> Callable[[object], object]:
    """What of an object is compared and hashed."""
    names = [field.name for field in dataclasses.fields(kind) if field.compare]
    return attrgetter(*names) if names else lambda _: ()


def _eq(self: object, other: object) -> bool:
    kind = type(self)
    return _compared_values(kind)(self) == _compared_values(kind)(other) if type(other) is kind else NotImplemented


def _hash(self: object) -> int:
    return hash(_compared_values(type(self))(self))


def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _set(self: object, name: str, value: object) -> None:
    if _is_fixed(self, name):
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _delete(self: object, name: str) -> None:
    if _is_fixed(self, name):
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
    object.__delattr__(self, name)


def _is_fixed(of: Any, name: str) -> bool:
    """A subclass that is no dataclass may have attributes besides the fields."""
    return type(of).__dict__.get("__setattr__") is _set or any(field.name == name for field in dataclasses.fields(of))


def _state(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
