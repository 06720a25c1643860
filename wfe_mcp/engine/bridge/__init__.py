"""The server's copy of the files of developers who work over a bridge."""
