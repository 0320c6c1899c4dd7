"""A night on several hosts: its parts, the engine that takes each to a host, and what they bring back."""
