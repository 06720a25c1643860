"""Git without side effects: status and trees, snapshots, restore, checkpoint refs."""
