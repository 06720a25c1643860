"""Runs inside a phase: the items of a loop, and a template with its own phases."""
