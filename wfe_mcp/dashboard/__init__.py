"""The dashboard on this machine: the application in a browser, the plain pages, and the HTTP API.

guard ──► app ──► pages ──► html         one process for all projects of a database, on this machine only
  └─ every path, before any other code reads the request
"""
