"""The machine around the engine: project files, git, configuration, processes."""
