"""What does Acme add to wfe-mcp? Its pyproject.toml names each thing."""
