"""The answers of tools and commands, made from what was just committed."""
