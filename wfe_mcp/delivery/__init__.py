"""Delivery of an approved change: git, forges, attestations, without the engine and the store."""
