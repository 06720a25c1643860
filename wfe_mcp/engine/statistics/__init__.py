"""Statistics: what the phases of runs took, from their logs, and the sums of it that are kept."""
