"""Reports for people and programs: every format shows the same rows."""
