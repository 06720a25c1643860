"""The MCP server, over stdio, and over HTTP for agents with tokens. This module imports nothing: ``front`` answers before the SDK is loaded."""
