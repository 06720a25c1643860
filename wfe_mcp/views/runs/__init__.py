"""A run as values: its phases, steps, requests, usage and records."""
