"""The place where two programs of a network differ: which layer, in which direction, on which side.

The definition in f64 (`harness.spec.reference`) is the judge. Every layer is run in isolation on both sides, on inputs
that the definition computed, so a layer that is wrong is named and the layers that receive its error are not.
"""
