"""The trial of how jobs get to workers on PostgreSQL: worker processes that are killed and frozen, a server that crashes."""
