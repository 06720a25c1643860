"""A whole page: its head, the bar at the top, and what it shows."""

from collections.abc import Sequence

from wfe_mcp.dashboard.html import Child, Html, tag
from wfe_mcp.dashboard.icons import brand, icon


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
    top = tag("header", tag("a", brand(), "wfe", class_="brand", href="/"), class_="topbar")
    return Html(
        "<!doctype html>\n"
        + tag("html", head, tag("body", top, tag("main", *body, class_=class_ or None), bar), lang="en")
    )


def crumbs(*steps: Html) -> Html:
    """Where the page is, from the inbox on."""
    behind = (each for step in steps for each in (icon("right"), step))
    return tag("nav", tag("a", "Inbox", href="/"), *behind, class_="crumbs", aria_label="Breadcrumb")


def headline(title: str, about: Sequence[Child], *below: Child) -> Html:
    """The title of a page, and in a line below it what it is about."""
    return tag("header", tag("h1", title), tag("p", *about, class_="who"), *below, class_="headline")
