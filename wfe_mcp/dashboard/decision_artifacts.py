"""The parts of the decision page about artifacts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wfe_mcp.dashboard.html import Html, panel, table, tag
from wfe_mcp.dashboard.prose import CUT, SHOWN_CHARS, parts_html
from wfe_mcp.dashboard.result_sections import section
from wfe_mcp.views.approvals.content import parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from wfe_mcp.views.approvals.model import ArtifactShown

_SHOWN_CHANGES = 60
_VALUE_CHARS, _DIFF_CHARS = 600, 4_000


def artifact_section(artifact: ArtifactShown | None, whole: str, edit_at: str) -> Html | None:
    """The artifact that is decided about, what it leaves open, and how it differs from the last one."""
    if artifact is None:
        return None
    about = tag(
        "span",
        f"{artifact.name} ({artifact.schema}), revision {artifact.revision}, sha256 ",
        tag("code", artifact.sha256),
        class_="muted small",
    )
    parts = parts_html(parts_of(artifact.schema, artifact.content))
    size = sum(len(each) for each in parts)
    is_cut = any(CUT in each for each in parts)
    all_of_it = tag("a", "The whole, as JSON" if is_cut else "JSON", href=whole, class_="small")
    file = tag("p", f"To change it, edit it here, or edit {artifact.file} and reload.", class_="muted small")
    change = [tag("a", "Edit", href=edit_at, class_="small")] if edit_at else []
    shown = tag("div", tag("div", *parts, class_="body stack"), class_="panel doc" if size > SHOWN_CHARS else "panel")
    left_open = None
    if artifact.questions:
        asked = tag("ul", *(tag("li", each) for each in artifact.questions), class_="stack body")
        left_open = tag("div", tag("p", tag("b", "It leaves open"), class_="body"), asked, class_="panel")
    return section(
        "artifact",
        "Artifact",
        (about, all_of_it, *change),
        left_open,
        shown,
        file if change else None,
        *_differences(artifact),
    )


def _differences(artifact: ArtifactShown) -> list[Html]:
    if not artifact.against:
        return []
    if not artifact.changes:
        return [tag("p", f"Unchanged since revision {artifact.against}.", class_="quiet")]
    title = f"Changed since revision {artifact.against}"
    rows = [
        tag("tr", tag("th", tag("code", each["path"] or "(whole)")), *_sides(each))
        for each in artifact.changes[:_SHOWN_CHANGES]
    ]
    left = len(artifact.changes) - _SHOWN_CHANGES
    more = tag("p", f"{left} more", class_="quiet") if left > 0 else None
    summary = tag("summary", title, class_="fold row")
    return [panel(summary, table(("Where", "Before", "Now"), rows, "records"), more, is_open=True)]


def _sides(change: Mapping[str, Any]) -> list[Html]:
    """The old and the new value; of a text of several lines, its diff."""
    if "diff" in change:
        text: str = change["diff"]
        cut = text if len(text) <= _DIFF_CHARS else f"{text[:_DIFF_CHARS]}\n{CUT}"
        return [tag("td", tag("pre", cut, class_="diff-text"), colspan="2")]
    if "moved" in change:
        return [tag("td", tag("code", change["moved"])), tag("td", "moved here")]
    return [tag("td", _value(change, key), data_label=name) for key, name in (("old", "Before"), ("new", "Now"))]


def _value(change: Mapping[str, Any], key: str) -> Html:
    if key not in change:
        return tag("span", "(nothing)", class_="quiet")
    value = change[key]
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return tag("code", text if len(text) <= _VALUE_CHARS else text[:_VALUE_CHARS] + "…")


def earlier_section(artifacts: Sequence[ArtifactShown]) -> Html | None:
    """The artifacts of earlier phases, folded."""
    if not artifacts:
        return None
    folded = [_earlier(each) for each in artifacts]
    return section("earlier", "Earlier artifacts of this run", (), *folded)


def _earlier(artifact: ArtifactShown) -> Html:
    about = f"phase {artifact.phase}, revision {artifact.revision}"
    about += f", {artifact.approved}" if artifact.approved else ""
    named = (tag("b", artifact.name), tag("span", about, class_="muted small"))
    body = tag("div", *parts_html(parts_of(artifact.schema, artifact.content)), class_="body stack")
    return tag("details", tag("summary", *named, class_="fold row wrap"), body, class_="panel")
