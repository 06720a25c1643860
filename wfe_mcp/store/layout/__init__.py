"""Tables and records, all written by scripts/generate_layout.py: nothing here is edited manually."""
