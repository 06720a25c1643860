"""Work on phases: claim and submit, steps, locks, and the models that work in a client's place."""
