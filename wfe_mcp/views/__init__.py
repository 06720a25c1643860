"""View models for tools, command line and dashboard."""
