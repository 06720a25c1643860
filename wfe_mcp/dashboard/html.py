"""Builds HTML with all text escaped: elements, icons, whole pages.

Every child and attribute is escaped unless ``tag`` built it, and what no one sees is shown as a code; in the elements of
``_IN_LINE`` line feeds too. Only what is edited or sent back stays as it is. ``Html`` is created nowhere else in this package.
"""

from collections.abc import Iterable, Sequence
from html import escape

from wfe_mcp.core.texts import clean, one_line
from wfe_mcp.core.units import word_set


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


Child = str | None
_EMPTY = word_set("input link meta br hr")
_IN_LINE = word_set("a b button code dt h1 h2 h3 i label option small span strong summary th time title")
_EDITED = frozenset({("textarea", ""), ("input", "value"), ("option", "value"), ("button", "value")})


def tag(name: str, /, *children: Child, **attributes: str | bool | int | None) -> Html:
    """An element. ``class_`` and ``for_`` lose their underscore, others become dashes; True is a bare attribute."""
    attributes_text = "".join(
        _attribute(name, key.strip("_").replace("_", "-"), value) for key, value in attributes.items()
    )
    if name in _EMPTY:
        return Html(f"<{name}{attributes_text}>")
    return Html(f"<{name}{attributes_text}>{''.join(_child(name, child) for child in children)}</{name}>")


def table(names: Sequence[str], rows: Iterable[Html], class_: str | None = None) -> Html:
    """A table with a head."""
    head = tag("thead", tag("tr", *(tag("th", name) for name in names)))
    return tag("table", head, tag("tbody", *rows), class_=class_)


def named_row(names: Sequence[str], cells: Iterable[Child]) -> Html:
    """A row of a table whose cells have the names of their columns, for a narrow screen."""
    return tag("tr", *(tag("td", cell, data_label=name) for name, cell in zip(names, cells, strict=True)))


def panel(summary: Html, *body: Child, class_: str = "panel", is_open: bool = False, data_since: str = "") -> Html:
    """A panel whose body unfolds below its ``summary``. ``data_since``: of a change, the moment before it."""
    inner = tag("div", *body, class_="body")
    return tag("details", summary, inner, class_=class_, open=is_open, data_since=data_since or None)


def _child(within: str, child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else _escape(child, within, "")


def _attribute(of: str, name: str, value: str | bool | int | None) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{_escape(str(value), of, name)}"'


def _escape(text: str, within: str, attribute: str) -> str:
    if (within, attribute) in _EDITED:
        return escape(text.encode(errors="replace").decode(), quote=True)
    return escape(one_line(text) if within in _IN_LINE and not attribute else clean(text), quote=True)


_CIRCLE = ("circle", {"cx": "8", "cy": "8", "r": "6.25"})
_ICONS: dict[str, tuple[tuple[str, dict[str, str]], ...]] = {
    "waiting": (
        ("path", {"d": "M8 1.6 14.4 8 8 14.4 1.6 8Z", "fill": "currentColor", "fill_opacity": ".22"}),
        ("path", {"d": "M8 5v3.4M8 10.7v.1"}),
    ),
    "passed": (_CIRCLE, ("path", {"d": "m5.2 8.2 2 2 3.7-4.2"})),
    "failed": (_CIRCLE, ("path", {"d": "m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4"})),
    "skipped": (_CIRCLE, ("path", {"d": "M3.8 12.2 12.2 3.8"})),
    "warning": (("path", {"d": "M8 1.9 14.6 13.6H1.4Z"}), ("path", {"d": "M8 6.2v3.4M8 11.6v.1"})),
    "weak": (
        ("path", {"d": "M8 1.5 13.5 3.6v4.2c0 3.3-2.3 5.6-5.5 6.7C4.8 13.4 2.5 11.1 2.5 7.8V3.6Z"}),
        ("path", {"d": "m5 11 6-6"}),
    ),
    "old": (
        ("circle", {"cx": "8", "cy": "8", "r": "6.25", "stroke_dasharray": "2.2 2.2"}),
        ("path", {"d": "M10.5 6 8 8.5l-2-2"}),
    ),
    "pending": (("circle", {"cx": "8", "cy": "8", "r": "6.25", "stroke_dasharray": "1 2.6"}),),
    "back": (("path", {"d": "M6.5 3 2.5 7l4 4"}), ("path", {"d": "M2.5 7h7a4 4 0 0 1 4 4v2"})),
    "right": (("path", {"d": "m6 4 4 4-4 4"}),),
    "edit": (("path", {"d": "m3 13 .7-3L10.5 3.2l2.3 2.3L6 12.3Z"}),),
    "model": (
        ("path", {"d": "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8Z"}),
        ("circle", {"cx": "8", "cy": "8", "r": "2"}),
    ),
}


def icon(name: str) -> Html:
    """The icon ``name``."""
    shapes = (tag(kind, **attributes) for kind, attributes in _ICONS[name])
    return tag("svg", *shapes, class_="icon", viewBox="0 0 16 16", aria_hidden="true")


def brand() -> Html:
    """The mark of the product."""
    return tag(
        "svg",
        tag("rect", x="1", y="5", width="6", height="6", rx="1", fill="currentColor"),
        tag(
            "path",
            d="m15 2 6 6-6 6-6-6Z",
            fill="none",
            stroke="currentColor",
            stroke_width="1.8",
            stroke_linejoin="round",
        ),
        viewBox="0 0 22 16",
        aria_hidden="true",
    )


INBOX = "/open/inbox"
"""The way back to the list: that of the application where this browser has a session of it, else the plain one."""


def document(
    title: str, *body: Child, refresh_s: int = 0, script: str = "", class_: str = "plain-page", bar: Child = None
) -> Html:
    """A whole page. ``refresh_s``: seconds until it reloads, 0: never; ``script``: the path of its script; ``bar``: below all."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="refresh", content=refresh_s) if refresh_s else None,
        tag("title", title),
        tag("link", rel="icon", href="/icon.svg"),
        tag("link", rel="stylesheet", href="/tokens.css"),
        tag("link", rel="stylesheet", href="/common.css"),
        tag("link", rel="stylesheet", href="/style.css"),
        tag("script", src=script, defer=True) if script else None,
    )
    top = tag("header", tag("a", brand(), "wfe", class_="brand", href=INBOX), class_="topbar")
    return Html(
        "<!doctype html>\n"
        + tag("html", head, tag("body", top, tag("main", *body, class_=class_ or None), bar), lang="en")
    )


def crumbs(*steps: Html) -> Html:
    """Where the page is, from the inbox on."""
    behind = (html for step in steps for html in (icon("right"), step))
    return tag("nav", tag("a", "Inbox", href=INBOX), *behind, class_="crumbs", aria_label="Breadcrumb")


def headline(title: str, about: Sequence[Child], *below: Child) -> Html:
    """The title of a page, and in a line below it what it is about."""
    return tag("header", tag("h1", title), tag("p", *about, class_="who"), *below, class_="headline")
