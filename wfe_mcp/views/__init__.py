"""What does a reader see? View models for tools, command line and dashboard."""
