"""Transactions on runs, and what every capability builds on: engine, run change, compiled templates, leases, actors."""
