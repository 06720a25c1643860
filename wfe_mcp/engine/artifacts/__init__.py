"""Revisions of artifacts, and the prompts and expression values built from them."""
