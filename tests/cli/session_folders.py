"""Folders of sessions as another engine leaves them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.scene import Terminal


ID = "0123456789abcdef0123456789abcdef"
PLAN = "# The plan\n"
JAVA = "// Tier.java\npublic class Tier {}\n"
FAIL = "@@@REVIEW_META\nverdict: FAIL\nissues_total: 1\nissues_critical: 1\nmissing_inputs: 0\n@@@\n"
PASS = FAIL.replace("FAIL", "PASS").replace("1", "0")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def session(**more: Any) -> dict[str, Any]:
    """session.json of a session that was approved to its end (S0-11)."""
    return {
        "session_id": ID,
        "profile": "jpa-mt",
        "context": {"entity": "Tier", "scope": "domain"},
        "phase": "complete",
        "stage": None,
        "status": "success",
        "current_iteration": 1,
        "standards_hash": sha256("# Rules\n"),
        "plan_approved": True,
        "plan_hash": sha256(PLAN),
        "prompt_hashes": {},
        "review_approved": True,
        "review_hash": sha256(PASS),
        "ai_providers": {"planner": "manual", "generator": "claude-code"},
        "standards_provider": "scoped-layer-fs",
        "metadata": {},
        "artifacts": [
            {
                "path": "iteration-1/code/Tier.java",
                "phase": "generate",
                "iteration": 1,
                "sha256": sha256(JAVA),
                "created_at": "2026-01-02T10:30:00",
            }
        ],
        "pending_action": None,
        "pending_approval": False,
        "last_error": None,
        "approval_feedback": None,
        "suggested_content": None,
        "retry_count": 0,
        "created_at": "2026-01-02T10:00:00.250000",
        "updated_at": "2026-01-02T11:00:00+00:00",
        "phase_history": [{"phase": "init", "status": "in_progress", "timestamp": "2026-01-02T10:00:00"}],
    } | more


FILES = {
    "standards-bundle.md": "# Rules\n",
    "plan.md": PLAN,
    "iteration-1/planning-prompt.md": "Plan ${everything}.\n",
    "iteration-1/planning-response.md": PLAN,
    "iteration-1/generation-prompt.md": "Write it.\n",
    "iteration-1/generation-response.md": "Here it is.\n",
    "iteration-1/code/Tier.java": JAVA,
    "iteration-1/review-prompt.md": "Review it.\n",
    "iteration-1/review-response.md": PASS,
}


def laid(cli: Terminal, answer: dict[str, Any], files: dict[str, str] = FILES) -> Path:
    """The folder of a session, as ai-workflow-engine leaves it."""
    folder = cli.root / ".aiwf" / "sessions" / ID
    for name, text in (files | {"session.json": json.dumps(answer, indent=2)}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder
