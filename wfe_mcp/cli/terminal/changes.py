"""Structural differences, and what an import does not carry, as lines of text."""

import json
from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.core.errors import Detail
    from wfe_mcp.views.values.model import JsonObject

_SIGNS = (("-", "old", "red"), ("+", "new", "green"))


def render_changes(
    screen: "Screen", changes: "Sequence[JsonObject]", chars: int | None = None, before: str = ""
) -> None:
    """Each change in a line, the diff of a text below it. ``chars``: the most of each value that is shown."""
    for change in changes:
        place = change["path"] or "(whole)"
        if "moved" in change:
            screen.line(f"{before}~ {place}: moved from {change['moved']}", "yellow")
        if "diff" in change:
            screen.line(f"{before}~ {place}:", "yellow")
            _render_text(screen, change["diff"], before)
        for sign, key, colour in _SIGNS:
            if key in change:
                text = json.dumps(change[key], ensure_ascii=False)
                screen.line(f"{before}{sign} {place}: {text if chars is None else shorten(text, chars)}", colour)


def _render_text(screen: "Screen", diff: str, before: str) -> None:
    colours = {"-": "red", "+": "green", "@": "cyan"}
    for line in diff.split("\n"):
        screen.line(f"{before}    {line}", colours.get(line[:1], ""))


def detail_views(details: "Iterable[Detail]") -> list[dict[str, str]]:
    """Faults or losses as JSON: the place of each, and what is to know about it."""
    return [{"path": detail.path, "message": detail.message} for detail in details]


def render_losses(screen: "Screen", losses: "Sequence[dict[str, str]]", most: int | None = None) -> None:
    """What was not carried, ``loss_lines`` of it. ``most``: how many lines."""
    lines = loss_lines(losses)
    for line in lines[:most]:
        screen.line(line, "yellow")
    if most is not None and len(lines) > most:
        screen.line(f"! {len(lines) - most} more are not carried; --json lists all", "yellow")


def loss_lines(losses: "Sequence[dict[str, str]]") -> list[str]:
    """What was not carried, ``detail_views`` of it: one line for what is the same in several places."""
    places: dict[str, list[str]] = {}
    for loss in losses:
        places.setdefault(loss["message"], []).append(loss["path"])
    return [
        f"! not carried: {paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}{paths[0] and ': '}{message}"
        for message, paths in places.items()
    ]
