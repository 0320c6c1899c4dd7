"""StableHLO modules of any generator: read, run on every executor, rounding told from a fault."""
