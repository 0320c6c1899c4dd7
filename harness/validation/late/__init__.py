"""Late faults: injected into whole runs of a few hundred steps, past the first steps that every verdict looks into.

Each pair is judged with the evidence that `verify` has, in lockstep and from its traces alone, by the functions that
judge a user's. Whole right runs are judged beside them.
"""
