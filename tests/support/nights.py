"""The smallest configuration of a night, and the moment at which one begins."""

import datetime

NOON = datetime.datetime(2026, 4, 1, 12, tzinfo=datetime.UTC)
CHECK = '[[check]]\nname = "a"\ncommand = ["python", "-c", "print(1)"]\n'
