"""What is said about a whole run: envelope, full report, hand-off page."""
