"""One revision of an artifact as a page shows it: its fields, as Markdown, as JSON, as the file, beside its schema."""

import json
from dataclasses import field

from wfe_mcp.artifacts import content
from wfe_mcp.artifacts.registry import json_schema
from wfe_mcp.artifacts.validate import TextFile, to_file
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.views.artifacts.artifacts import content_of, head_view, phase_of, revision_of
from wfe_mcp.views.pages.decision import parts_json
from wfe_mcp.views.runs.attachments import DraftLine, draft_lines
from wfe_mcp.views.runs.models import HeadView
from wfe_mcp.views.values.model import INLINE, Json, JsonObject, view_model


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


def artifact_page(engine: Engine, overview: Overview, phase: str, revision: int | None) -> ArtifactPage:
    """The page of a revision, the newest for None. Refuses ``unknown_phase`` and ``unknown_artifact``."""
    path = phase_of(overview, phase, "")
    with engine.store.read() as tx:
        record = revision_of(tx, overview.loaded.record.id, path, revision)
        heads = tuple(map(head_view, tx.artifacts.revisions(record.run_id, path)))
        drafts = tuple(draft_lines(tx, overview, path))
    schema, value = overview.plan.schema(path), content_of(overview, record)
    file = to_file(schema, json.loads(record.content))
    named = schema if isinstance(schema, str) else ""
    return ArtifactPage(
        head=head_view(record),
        revisions=heads,
        content=value,
        parts=parts_json(named, value),
        drafts=drafts,
        markdown=content.as_markdown(content.parts_of(named, value)),
        text=file.text if isinstance(file, TextFile) else "",
        json_schema=json_schema(schema),
    )
