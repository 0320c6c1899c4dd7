"""The power of the verdict: injected faults that it has to detect and name, clean pairs that it has to pass.

A fault makes one side's program by mutated rules, or for other settings than its header states, or changes the side's
feed. Code of the product is never edited, and the verdict is the product's own.
"""
