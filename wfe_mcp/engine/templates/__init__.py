"""Templates of a project: catalogue, versions, trust, configuration overrides, plugins."""
