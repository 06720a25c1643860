"""Work on phases: claim and submit, steps, loops, subflows, locks, and the models that work in a client's place."""
