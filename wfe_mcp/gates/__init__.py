"""What does the project itself say about the work? Gates look, and keep what they saw as evidence."""
