"""Runs as a whole: start, control, overview, archive."""
