"""Care of the database: backups, restore, pruning."""
