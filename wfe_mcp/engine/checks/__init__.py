"""Trials of found checks, and whether the checks that templates need can start here."""
