"""The outbox: what happened becomes messages to webhooks and notifications of people, as jobs of the same transaction."""
