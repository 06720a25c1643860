"""Statements on the job table, its queues, and the calls to models that limit them."""
