"""The MCP server over stdio. This module imports nothing: ``front`` answers before the SDK is loaded."""
