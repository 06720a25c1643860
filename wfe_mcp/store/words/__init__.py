"""The words by which full-text search finds, and a query for them: pure but for FTS5."""
