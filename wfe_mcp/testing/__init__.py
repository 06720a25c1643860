"""Tools to test templates, agents and the engine. This module imports nothing: each module loads when it is used."""
