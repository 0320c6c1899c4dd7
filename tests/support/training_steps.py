"""Training steps as modules, with the networks that they train: one written by hand, and what JAX lowers."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from tests.support.paths import ROOT

MLP_STEP = (ROOT / "tests" / "support" / "mlp_step.mlir").read_text()
MLP = '''"""The network of mlp_step.mlir."""

from harness.nn.layers.dense import Dense
from harness.nn.layers.relu import Relu
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Sgd
from harness.spec.netspec import NetSpec, TrainConfig

SPEC = NetSpec(
    name="MLP-SGD",
    dataset="mnist",
    input_shape=(784,),
    classes=10,
    layers=[Dense(784, 512, activation=Relu()), Dense(512, 512, activation=Relu()), Dense(512, 10)],
    loss=SoftmaxCrossEntropy(),
)
CONFIG = TrainConfig(lr=0.1, batch_size=32, epochs=1, optimizer=Sgd())
VERIFY_STEPS = 200
'''
SMALL = MLP.replace("MLP-SGD", "Small").replace("512", "8").replace("batch_size=32", "batch_size=4")
CONV = '''"""A convolution with batch norm and a dense layer, trained by Adam."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig

SPEC = NetSpec(
    name="Conv",
    dataset="mnist",
    input_shape=(1, 28, 28),
    classes=10,
    layers=[ConvBn(1, 4, kernel=3), Flatten(), Dense(3136, 10)],
    loss=SoftmaxCrossEntropy(),
)
CONFIG = TrainConfig(lr=0.001, batch_size=8, epochs=1, optimizer=Adam(), cosine=False)
VERIFY_STEPS = 12
'''


def small_step() -> str:
    """The hand-written step with 8 hidden units and a batch of 4."""
    text = MLP_STEP.replace("512", "8").replace("32x", "4x").replace("tensor<32xf32>", "tensor<4xf32>")
    return text.replace("0.03125", "0.25")


def conv_step(*, pooled: bool = False) -> str:
    """A step of CONV as JAX lowers it, in other layouts: images NHWC, kernel HWIO, matrix (out, in), whole labels.

    `pooled`: with a pool of windows that overlap in its loss, whose gradient IREE does not compile.
    """

    def loss_of(params, x, labels):  # type: ignore[no-untyped-def]
        kernel, gamma, beta, matrix, bias = params
        y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        mean = y.mean((0, 1, 2))
        var = jnp.square(y - mean).mean((0, 1, 2))
        y = jnp.maximum(gamma * (y - mean) / jnp.sqrt(var + 1e-5) + beta, 0)
        z = y.transpose(0, 3, 1, 2).reshape(len(x), -1) @ matrix.T + bias
        picked = jnp.take_along_axis(jax.nn.log_softmax(z), labels[:, None], axis=1)
        loss = -picked.mean()
        if pooled:
            wide, pad = (1, 3, 3, 1), [(0, 0), (1, 1), (1, 1), (0, 0)]
            loss += jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, wide, (1, 2, 2, 1), pad).sum()
        return loss, (mean, var)

    def step(  # type: ignore[no-untyped-def]
        kernel,
        gamma,
        beta,
        matrix,
        bias,
        kernel_m,
        gamma_m,
        beta_m,
        matrix_m,
        bias_m,
        kernel_v,
        gamma_v,
        beta_v,
        matrix_v,
        bias_v,
        running_mean,
        running_var,
        images,
        labels,
        rate,
        t,
        bc1,
        bc2,
    ):
        params = kernel, gamma, beta, matrix, bias
        (loss, batch), grads = jax.value_and_grad(loss_of, has_aux=True)(params, images, labels)
        m = [0.9 * m + (1 - 0.9) * g for m, g in zip((kernel_m, gamma_m, beta_m, matrix_m, bias_m), grads, strict=True)]
        olds = kernel_v, gamma_v, beta_v, matrix_v, bias_v
        v = [0.999 * v + (1 - 0.999) * g * g for v, g in zip(olds, grads, strict=True)]
        moved = [p - rate * (a / bc1) / (jnp.sqrt(b / bc2) + 1e-8) for p, a, b in zip(params, m, v, strict=True)]
        running = running_mean, running_var
        kept = [jnp.where(t == 1, new, 0.9 * old + (1 - 0.9) * new) for old, new in zip(running, batch, strict=True)]
        return *moved, *m, *v, *kept, loss

    shapes = (3, 3, 1, 4), (4,), (4,), (10, 3136), (10,)
    tensors = [jnp.zeros(shape, jnp.float32) for shape in (*shapes * 3, (4,), (4,), (8, 28, 28, 1))]
    scalars = jnp.zeros(8, jnp.int32), jnp.float32(0.1), np.int32(1), jnp.float32(1), jnp.float32(1)
    with jax.enable_x64(False):
        return str(jax.jit(step).lower(*tensors, *scalars).as_text(debug_info=True))


def write_step(folder: Path, network: str, module: str, step_file: str = 'module = "step.mlir"\n') -> tuple[Path, Path]:
    """Write a network, a module and its step file; the paths of network and step file."""
    paths = folder / "net.py", folder / "step.toml"
    paths[0].write_text(network)
    (folder / "step.mlir").write_text(module)
    paths[1].write_text(step_file)
    return paths
