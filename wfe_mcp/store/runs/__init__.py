"""Statements on runs: events, attempts, artifacts, evidence, approvals, steps, opinions."""
