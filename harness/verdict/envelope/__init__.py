"""The effect of rounding alone on a network's training, measured, so that a difference can be told from it."""
