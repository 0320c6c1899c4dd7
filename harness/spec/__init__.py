"""The facts of what is trained, and the tables of their meanings."""
