"""From a NetSpec to programs: a readable JAX script, and StableHLO modules with hand-derived gradients."""
