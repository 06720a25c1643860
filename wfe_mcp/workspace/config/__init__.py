"""Configuration files: their tables, their layers and precedence, and edits that keep every other byte."""
