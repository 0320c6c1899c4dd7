"""A night: what is run while nobody looks, so that it can be interrupted anywhere and goes on where it was."""
