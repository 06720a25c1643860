"""Statements on the whole file or on whole runs: verify, copy, prune, export and import rows."""
