"""A runner of checks: its connection to the server, its mirrors, its key, and its work."""
