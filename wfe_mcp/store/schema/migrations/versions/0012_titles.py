"""Titles that say what a run is about, for runs that were called like their template.

Events stay as they are: a title is in the row of its run only. The index has the words of the old titles, so ``find`` makes
it anew.
"""

import json
from typing import Any

from alembic import op

from wfe_mcp.core.titles import title_of

revision = "0012"
down_revision = "0011"

_TITLE_FROM = {
    "compound": "goal",
    "incident": "report",
    "jpa_mt": "entity",
    "milestones": "plan.title",
    "plan_generate_review": "goal",
    "quick_fix": "problem",
    "role_pipeline": "goal",
    "spec_driven": "goal",
}
"""``title_from`` of the shipped templates: the definitions that runs have frozen are from before."""

_RUNS = "SELECT id, title, template, definition_sha256, inputs_sha256 FROM run"
_DOCUMENT = "SELECT content FROM document WHERE sha256 = ?"


def upgrade() -> None:
    """Name the runs after their inputs, where the inputs say something."""
    connection = op.get_bind()

    def document(sha256: str) -> dict[str, Any]:
        return json.loads(connection.exec_driver_sql(_DOCUMENT, (sha256,)).scalar_one())

    definitions = dict[str, dict[str, Any]]()
    renamed: list[tuple[str, str]] = []
    for run, title, template, definition_sha256, inputs_sha256 in connection.exec_driver_sql(_RUNS).all():
        definition = definitions.setdefault(definition_sha256, {}) or document(definition_sha256)
        definitions[definition_sha256] = {key: definition.get(key) for key in ("title", "inputs")}
        if title in {definition.get("title"), template}:
            schema: dict[str, Any] = definition.get("inputs") or {}
            found = title_of("", _TITLE_FROM.get(template, ""), document(inputs_sha256), schema)
            renamed += [(found, run)] if found else []
    if not renamed:
        return
    connection.exec_driver_sql("UPDATE run SET title = ? WHERE id = ?", renamed)
    if connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'find_text'").first() is not None:
        op.execute("INSERT INTO find_text (find_text) VALUES ('delete-all')")
    op.execute("DELETE FROM find_entry")
    op.execute("DELETE FROM find_run")
