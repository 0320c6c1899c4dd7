"""Helper functions of a script for windows that move over images; one stands above the network where it is called.

Those called general take a number for each axis, and pixels of padding.
"""

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

GENERAL_CONV = '''\
def general_conv(x, w, strides, padding, dilation, groups):
    """Convolution of NHWC images with OIHW weights; taps are apart by the dilation, groups of channels do not mix."""
    how = {"dimension_numbers": ("NHWC", "OIHW", "NHWC"), "rhs_dilation": dilation, "feature_group_count": groups}
    return jax.lax.conv_general_dilated(x, w, strides, padding, **how)
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

GENERAL_MAX_POOL = '''\
def general_max_pool(x, window, strides, padding):
    """Maximum over windows of height and width; of equal maxima the first in row-major order gets the gradient."""
    sizes, strides = (1, *window, 1), (1, *strides, 1)
    padding = padding if isinstance(padding, str) else ((0, 0), *padding, (0, 0))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, sizes, strides, padding)
'''

GENERAL_WINDOW_TAPS = '''\
def general_window_taps(x, window, strides, padding):
    """The pixels under each place of a window, one tap after the other in a new first axis; -inf outside."""
    edges = jax.lax.padtype_to_pads(x.shape[1:3], window, strides, padding) if isinstance(padding, str) else padding
    x = jnp.pad(x, ((0, 0), *edges, (0, 0)), constant_values=-jnp.inf)
    rows, columns = x.shape[1] - window[0] + 1, x.shape[2] - window[1] + 1
    return jnp.stack(
        [
            x[:, k : k + rows : strides[0], m : m + columns : strides[1]]
            for k in range(window[0])
            for m in range(window[1])
        ]
    )
'''

AVG_POOL = '''\
def avg_pool(x, window, strides, padding, count_include_pad):
    """Mean over windows of height and width; padding counts as zeros, or not at all."""
    sizes, strides = (1, *window, 1), (1, *strides, 1)
    padding = padding if isinstance(padding, str) else ((0, 0), *padding, (0, 0))
    total = jax.lax.reduce_window(x, 0.0, jax.lax.add, sizes, strides, padding)
    if count_include_pad:
        return total / (window[0] * window[1])
    return total / jax.lax.reduce_window(jnp.ones_like(x), 0.0, jax.lax.add, sizes, strides, padding)
'''
