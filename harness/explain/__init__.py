"""Where two programs of a network part: which layer, in which direction, on which side.

The definition in f64 (`harness.spec.reference`) is the judge. Every layer is run alone on both sides and fed what the
definition computed, so that one that is off is named and what lies behind it is not.
"""
