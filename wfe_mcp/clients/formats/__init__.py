"""Adds one entry to a text in JSON, TOML or YAML and removes it, without changing another character.

1. An addition inserts characters; it never replaces or removes one. Comments, order, spaces and line endings stay.
2. Each result is parsed and compared with what it should be before it counts: a text that has a form which the splice
   does not understand is refused, never damaged.
"""
