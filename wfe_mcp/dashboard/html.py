"""Builds HTML with all text escaped.

Every child and attribute is escaped unless ``tag`` built it, and characters that change the reading direction are
shown as codes. ``Html`` is created nowhere else in this package.
"""

from html import escape

from wfe_mcp.views.plain import clean


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


Child = str | None
_EMPTY = {"input", "link", "meta", "br", "hr"}


def tag(name: str, /, *children: Child, **attributes: str | bool | int | None) -> Html:
    """An element. ``class_`` and ``for_`` lose their underscore, others become dashes; True is a bare attribute."""
    given = "".join(_attribute(key.strip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in _EMPTY:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{''.join(_child(each) for each in children)}</{name}>")


def _child(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else escape(clean(child), quote=True)


def _attribute(name: str, value: str | bool | int | None) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(clean(str(value)), quote=True)}"'
