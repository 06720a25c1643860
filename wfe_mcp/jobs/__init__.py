"""Background jobs: a worker claims rows of the job table and runs them, and supervises the programs they start."""
