"""Opinions as plain values, free of SQL."""

from wfe_mcp.store.enums import AskedBy
from wfe_mcp.store.layout.job_records import OpinionRecord

__all__ = ["MANUAL_MODEL", "SOURCE", "AskedBy", "OpinionRecord"]


MANUAL_MODEL = "manual"
"""The model of an opinion that a person gave."""

SOURCE = "source"
"""Beside the keys of ``opinion@1``: ``address`` and ``proxy`` of the one that answered, or its files → SHA-256."""
