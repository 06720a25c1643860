"""Calls to language models: providers, roles, secrets, budgets, outages, and the log of every call."""
