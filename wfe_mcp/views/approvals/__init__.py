"""Approvals: what a person is about to decide, one stored request, and the answers to approve and reject.

model      the view as one value, its JSON and its sha256
shown      makes it: ``change``, ``evidence`` and ``unusual`` are its parts
words      its titles and sentences, for the terminal and the pages
request    a stored request with its view, for the page
answers    what approve and reject return
"""

from wfe_mcp.views.approvals.model import ApprovalView, shown_sha256
from wfe_mcp.views.approvals.shown import open_approval

__all__ = ["ApprovalView", "open_approval", "shown_sha256"]
