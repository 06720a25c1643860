"""Builds HTML with all text escaped.

Every child and attribute is escaped unless ``tag`` built it, and characters that change the reading direction are
shown as codes. ``Html`` is created nowhere else in this package.
"""

from collections.abc import Iterable, Sequence
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


def table(names: Sequence[str], rows: Iterable[Html], class_: str | None = None) -> Html:
    """A table with a head."""
    head = tag("thead", tag("tr", *(tag("th", name) for name in names)))
    return tag("table", head, tag("tbody", *rows), class_=class_)


def named_row(names: Sequence[str], cells: Iterable[Child]) -> Html:
    """A row of a table whose cells have the names of their columns, for a narrow screen."""
    return tag("tr", *(tag("td", cell, data_label=name) for name, cell in zip(names, cells, strict=True)))


def panel(summary: Html, *body: Child, class_: str = "panel", is_open: bool = False) -> Html:
    """A panel whose body unfolds below its ``summary``."""
    return tag("details", summary, tag("div", *body, class_="body"), class_=class_, open=is_open)


def _child(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else escape(clean(child), quote=True)


def _attribute(name: str, value: str | bool | int | None) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(clean(str(value)), quote=True)}"'
