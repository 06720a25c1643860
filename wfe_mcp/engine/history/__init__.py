"""Going back: rollback and its recovery, forks, and runs as of an earlier event."""
