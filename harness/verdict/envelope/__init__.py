"""What rounding alone can do to a network's training, measured, so that a difference can be told from it."""
