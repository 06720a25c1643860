"""Approval requests and decisions as plain values, free of SQL."""

from wfe_mcp.store.enums import RequestStatus
from wfe_mcp.store.layout.run_records import DecisionRecord, NewRequest, RequestRecord

__all__ = [
    "DecisionRecord",
    "NewRequest",
    "RequestRecord",
    "RequestStatus",
]
