"""Hosts that are lost, frozen, full or otherwise unlike, and what becomes of a night on them."""
