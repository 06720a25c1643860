"""The actions of server steps: calls of MCP tools, HTTP requests and built-in actions."""
