"""What people and programs read: every format shows the same rows."""
