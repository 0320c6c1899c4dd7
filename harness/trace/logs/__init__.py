"""Logs of other tools, read as traces: a file for each family of formats, and one table of them all in `formats`."""
