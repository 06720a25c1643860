"""Calls to models: over HTTP, through command-line agents, packages or a person. Only here are vendors' SDKs loaded."""
