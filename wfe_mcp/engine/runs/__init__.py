"""Runs as a whole: what agents may start, start, control, overview, archive."""
