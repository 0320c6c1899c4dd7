"""How well a verdict finds what is wrong: injected faults that it has to see and name, right pairs that it has to pass.

A fault makes one side's program by wrong rules, or for other settings than its header states, or changes what the side
is fed. Code of the product is never edited, and the verdict is the product's own.
"""
