"""The decision page: approvals in a browser on this machine.

guard ──► app ──► pages ──► html         one process for all projects of a database, on this machine only
  └─ every path, before any other code reads the request
"""
