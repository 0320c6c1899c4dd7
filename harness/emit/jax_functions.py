"""Helper functions that stand above an emitted script's network: those that it calls, each once."""

CONV = '''\
def conv(x, w, stride, padding):
    """Convolution of NHWC images with OIHW weights, which is how the file of initial parameters holds them."""
    layouts = ("NHWC", "OIHW", "NHWC")
    return jax.lax.conv_general_dilated(x, w, (stride, stride), padding, dimension_numbers=layouts)
'''

GROUPED_CONV = '''\
def grouped_conv(x, w, stride, padding, groups):
    """Convolution of NHWC images with OIHW weights in groups of channels, which do not mix."""
    layouts, strides = ("NHWC", "OIHW", "NHWC"), (stride, stride)
    return jax.lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=layouts, feature_group_count=groups)
'''

MAX_POOL = '''\
def max_pool(x, window, stride, padding):
    """Maximum over windows of height and width; of equal maxima the first in row-major order gets the gradient."""
    sizes, strides = (1, window, window, 1), (1, stride, stride, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, sizes, strides, padding)
'''

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
