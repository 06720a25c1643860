"""Triggers: a signed message of another system, or a time of a schedule, starts a template as an agent would."""
