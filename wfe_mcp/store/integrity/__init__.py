"""The hash chain of events, and the seals of records beside the log."""
