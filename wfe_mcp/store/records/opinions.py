"""Opinions as plain values, free of SQL."""

from wfe_mcp.store.enums import AskedBy
from wfe_mcp.store.layout.job_records import OpinionRecord

__all__ = [
    "MANUAL_MODEL",
    "AskedBy",
    "OpinionRecord",
]


MANUAL_MODEL = "manual"
"""The model of an opinion that a person gave."""
