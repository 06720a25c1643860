"""Access of other programs: the tokens of the HTTP API."""
