"""A server on standard input that passes its calls on to ``wfe-mcp server``, with the files that they are about."""
