"""Full-text search over what was recorded."""
