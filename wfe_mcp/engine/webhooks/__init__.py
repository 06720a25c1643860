"""Webhooks: messages are signed and sent, deliveries listed and sent again, secrets rotated."""
