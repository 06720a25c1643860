"""The icons of the pages, drawn with strokes on a grid of 16 by 16; always beside a word."""

from wfe_mcp.dashboard.html import Html, tag

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
