"""Functions that an emitted script calls where a convention off its default needs them; each is written once."""

WINDOW_TAPS = '''\
def window_taps(x, window, stride):
    """The pixels under each place of a window, one tap after the other in a new first axis; -inf outside (SAME)."""
    edges = jax.lax.padtype_to_pads(x.shape[1:3], (window, window), (stride, stride), "SAME")
    x = jnp.pad(x, ((0, 0), *edges, (0, 0)), constant_values=-jnp.inf)
    rows, columns = x.shape[1] - window + 1, x.shape[2] - window + 1
    taps = [x[:, k : k + rows : stride, m : m + columns : stride] for k in range(window) for m in range(window)]
    return jnp.stack(taps)
'''

SCALE_GRADIENT = '''\
def scale_gradient(x, factor):
    """x, whose gradient is multiplied by the factor."""
    fixed = jax.lax.stop_gradient(x)
    return fixed + factor * (x - fixed)
'''
