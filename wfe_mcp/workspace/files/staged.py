"""The folders below ``.wfe`` in which this process stages files now; no look at the project takes them for files of others.

A gate may look while the call that submitted still has its staged files: they are gone with its end. The names are random,
and known to this process alone.
"""

STAGED: set[str] = set()
"""Their names."""
