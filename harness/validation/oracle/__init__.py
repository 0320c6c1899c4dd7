"""The VJP oracle: small networks, one a layer family, whose gradients both pipelines must give alike.

A loss alone cannot see everything: Adam's first update is about lr·sign(g), so a gradient that is too large by a
factor leaves the loss of step 2 as it is. Here the gradient of every parameter tensor is compared before the optimizer
sees it, in f32 and f64, then the losses of three steps, and the optimizers apart, given the same gradients. In f64 the
step is also run by the StableHLO reference interpreter, which shares no compiler with either pipeline.
"""
