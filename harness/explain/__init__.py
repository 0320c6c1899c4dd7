"""From a verdict to its cause: the layer, direction and side that are wrong, or the conventions that a run had."""
