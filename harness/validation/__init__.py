"""Validation of the harness itself: its gradients, and the power of its verdict."""
