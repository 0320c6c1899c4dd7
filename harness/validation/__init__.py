"""How far the harness itself can be trusted: its gradients, and the power of its verdict."""
