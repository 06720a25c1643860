"""wfe-mcp: a typed workflow engine that referees AI coding agents over MCP."""

__version__ = "0.1.0"
