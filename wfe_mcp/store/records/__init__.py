"""Plain values that the store takes and returns, free of SQL."""
