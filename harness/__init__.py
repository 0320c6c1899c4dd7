"""Cross-backend training-trace verifier."""

__version__ = "0.1.0"
