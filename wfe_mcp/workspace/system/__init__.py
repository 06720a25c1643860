"""Processes, locations, the user, anchors outside the database, redaction of secrets."""
