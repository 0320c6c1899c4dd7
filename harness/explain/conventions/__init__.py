"""The conventions that a run had, searched from nothing but its trace: those under which phase 2 reproduces it."""
