"""Processes, locations, the user, Ed25519 keys, anchors outside the database, redaction of secrets."""
