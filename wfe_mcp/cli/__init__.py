"""How does a person at a terminal use wfe-mcp? One file per command or noun; each asks the engine or views and shows."""
