"""Steps that the server executes, as plain values, free of SQL.

ready ──→ queued ──→ running ──→ done | failed | unknown        skipped: its ``if`` was false
  ↑                     │ a retry, a pause            cancelled: its attempt ended first
  └─────────────────────┘ waiting: for trust
"""

from wfe_mcp.store.enums import StepStatus
from wfe_mcp.store.layout.run_records import StepRecord

__all__ = [
    "IN_DOUBT",
    "StepRecord",
    "StepStatus",
]

IN_DOUBT = "It may have had its effect: "
"""Prefix of a parked job's error."""
