"""Rows of work items and of their log as plain frozen values, free of SQL."""

from wfe_mcp.store.layout.project_records import ItemEventRecord, ItemRow

__all__ = ["ItemEventRecord", "ItemRow"]
