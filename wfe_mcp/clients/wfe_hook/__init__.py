"""The script that clients run as a hook. It uses the standard library alone, and is copied into the plugin as it is.

A client starts it for every tool call, so the time to start counts: ``entry`` loads ``rules`` and ``shell`` only while a run
is open, and neither ``json`` nor ``re``.
"""
