"""Artifacts as views: the whole, a part, a difference, and the context of a phase."""
