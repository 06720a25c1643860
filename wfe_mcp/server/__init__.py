"""How does a client speak MCP with the engine? Import nothing here: ``front`` answers before the SDK is loaded."""
