"""One revision of an artifact as a page shows it: its fields, as Markdown, as JSON, as the file, beside its schema."""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING

from wfe_mcp.artifacts.registry import json_schema
from wfe_mcp.artifacts.validate import TextFile, to_file
from wfe_mcp.views.artifacts import content
from wfe_mcp.views.artifacts.artifacts import content_of, head_view, phase_of, revision_of
from wfe_mcp.views.pages.decision import parts_json
from wfe_mcp.views.runs.attachments import DraftLine, draft_lines
from wfe_mcp.views.values.model import INLINE, Json, JsonObject, view_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.views.runs.models import HeadView


@view_model
class ArtifactPage:
    """A revision with its whole content.

    ``parts``: as its type wants to be read; ``markdown``: the same as Markdown text; ``text``: as the file that people edit,
    empty for a bundle of files. ``revisions``: every one of the phase, oldest first; ``drafts``: refused submissions.
    """

    head: HeadView = field(metadata=INLINE)
    revisions: tuple[HeadView, ...]
    content: Json
    parts: tuple[JsonObject, ...]
    markdown: str
    text: str
    json_schema: JsonObject
    drafts: tuple[DraftLine, ...] = ()


def artifact_page(engine: Engine, found: Overview, phase: str, revision: int | None) -> ArtifactPage:
    """The page of a revision, the newest for None. Refuses ``unknown_phase`` and ``unknown_artifact``."""
    path = phase_of(found, phase, "")
    with engine.store.read() as tx:
        record = revision_of(tx, found.loaded.record.id, path, revision)
        heads = tuple(map(head_view, tx.artifacts.revisions(record.run_id, path)))
        drafts = tuple(draft_lines(tx, found, path))
    schema, value = found.plan.schema(path), content_of(found, record)
    file = to_file(schema, json.loads(record.content))
    named = schema if isinstance(schema, str) else ""
    return ArtifactPage(
        head=head_view(record),
        revisions=heads,
        content=value,
        parts=parts_json(named, value),
        drafts=drafts,
        markdown=as_markdown(content.parts_of(named, value)),
        text=file.text if isinstance(file, TextFile) else "",
        json_schema=json_schema(schema),
    )


def as_markdown(parts: Sequence[content.Part]) -> str:
    """``parts`` as Markdown text: a heading for each field, a table for records, a block for each file."""
    return "\n\n".join(_blocks(parts, 2)) + "\n"


def _blocks(parts: Sequence[content.Part], level: int) -> Iterator[str]:
    for part in parts:
        match part:
            case content.Words(text) | content.Document(text):
                yield text.strip("\n")
            case content.Listing(items):
                yield "\n".join(f"- {each}" for each in items)
            case content.Records(header, rows):
                lines = [header, ["---"] * len(header), *rows]
                yield "\n".join(f"| {' | '.join(_cell(each) for each in line)} |" for line in lines)
            case content.FileShown(path, text):
                yield f"{'#' * level} {path}"
                yield "\n".join(f"    {line}" for line in text.splitlines())
            case content.FieldShown(name, inner):
                yield f"{'#' * min(level, 6)} {name}"
                yield from _blocks(inner, level + 1)


def _cell(text: str) -> str:
    return " ".join(text.split("\n")).replace("|", "\\|")  # a row is one line
