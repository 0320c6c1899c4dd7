"""How well a verdict finds what is wrong: planted faults that it has to see and name, right pairs that it has to pass.

A fault replaces rules while one side is made, makes that side's program for other settings than its header states, or
changes what the side is fed. Code of the product is never edited, and the verdict is the product's own.
"""
