"""Credentials: their kinds, their storage, and how one is handed to a check, a step or another part of the server by name."""
