"""Gates: each judges a revision of an artifact and returns a verdict with its evidence."""
