"""People of a server: who looks at a decision, who is away, and whose it is."""
