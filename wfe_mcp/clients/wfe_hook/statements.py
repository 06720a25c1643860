"""The hook's statements. Written by scripts/generate_hook_statements.py from store/runs/hook_statements.py: change that."""

RUNNING_WORK = """
SELECT run.created_at, run.id AS run, run.title, run.template, run.definition_sha256, run.spec_sha256, run.frozen_sha256, run.worktree, attempt.phase, attempt.attempt, attempt.status, json_extract(attempt.state, '$.role') AS role
FROM run JOIN attempt ON attempt.run_id = run.id
WHERE run.archived_at IS NULL AND run.origin_sha256 IS NULL AND (attempt.stage IS NULL OR attempt.stage = 'after') AND attempt.status = 'running' AND +run.worktree = ? AND +run.status IN ('pending', 'running')
"""
"""Of a folder. A row has the columns of WORK_COLUMNS."""

NEXT_WORK = """
SELECT run.created_at, run.id AS run, run.title, run.template, run.definition_sha256, run.spec_sha256, run.frozen_sha256, run.worktree, attempt.phase, attempt.attempt, attempt.status, json_extract(attempt.state, '$.role') AS role
FROM run JOIN attempt ON attempt.run_id = run.id
WHERE run.archived_at IS NULL AND run.origin_sha256 IS NULL AND (attempt.stage IS NULL OR attempt.stage = 'after') AND run.worktree = ? AND run.status = ? AND +attempt.status IN ('ready', 'gating') ORDER BY run.created_at, run.id, attempt.phase
LIMIT 20 OFFSET 0
"""
"""Of a folder, in runs of one status. A row has the columns of WORK_COLUMNS."""

WORK_COLUMNS = (
    "created_at",
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
