"""The hook's statements. Written by scripts/generate_hook_statements.py from store/runs/hook_statements.py: change that."""

OPEN_WORK = """
SELECT run.id AS run, run.title, run.template, run.definition_sha256, run.spec_sha256, run.frozen_sha256, run.worktree, attempt.phase, attempt.attempt, attempt.status, json_extract(attempt.state, '$.role') AS role
FROM run JOIN attempt ON attempt.run_id = run.id
WHERE run.worktree IN ({marks}) AND run.status IN ('pending', 'running') AND run.archived_at IS NULL AND run.origin_sha256 IS NULL AND attempt.status IN ('ready', 'running', 'gating') AND (attempt.stage IS NULL OR attempt.stage = 'after') ORDER BY run.created_at, run.id, attempt.phase
"""
"""``{marks}``: one question mark for each folder. A row has these columns."""

OPEN_WORK_COLUMNS = (
    "run",
    "title",
    "template",
    "definition_sha256",
    "spec_sha256",
    "frozen_sha256",
    "worktree",
    "phase",
    "attempt",
    "status",
    "role",
)

DOCUMENT_TEXT = """
SELECT document.content
FROM document
WHERE document.sha256 = ?
"""
