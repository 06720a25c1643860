"""Answers of JSON whose every text comes from others: what commands show that have no view."""

from typing import Any

TEXT = "t00000001"
BRANCH: dict[str, Any] = {
    "proven": [
        {
            "commit": TEXT,
            "subject": TEXT,
            "run": TEXT,
            "phase": TEXT,
            "attempt": 1,
            "key": TEXT,
            "at": TEXT,
            "statements": 2,
        },
        {"commit": TEXT, "subject": TEXT},
    ],
    "problems": [{"where": TEXT, "message": TEXT, "code": TEXT}],
    "approvers": [{"name": TEXT}],
    "notes": [TEXT],
}
IMPORTED: dict[str, Any] = {
    "format": TEXT,
    "added": [{"id": TEXT, "kind": TEXT, "title": TEXT, "parent": TEXT}],
    "changed": [{"id": TEXT, "values": {TEXT: TEXT}}],
    "kept": [{"id": TEXT, "title": TEXT, "why": TEXT}],
    "gone": [{"id": TEXT, "title": TEXT}],
    "not_carried": [{"path": TEXT, "message": TEXT}],
}
