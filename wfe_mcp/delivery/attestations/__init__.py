"""Attestations: in-toto Statements in DSSE envelopes, kept in a ref of the repository."""
