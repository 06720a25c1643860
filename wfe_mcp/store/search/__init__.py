"""The full-text index and the queries on it."""
