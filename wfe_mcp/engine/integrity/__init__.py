"""Proof that the record is what happened: verification, anchors outside the database, audit of approvals."""
