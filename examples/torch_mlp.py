"""MNIST-MLP in PyTorch with its own AdamW, as a program that the harness can run beside its own.

    harness verify mnist_mlp --steps 200 --pipeline-cmd 'torch=python examples/torch_mlp.py'

Six lines are there for the harness's sake: those that have `request`, `weights` or `run` in them.
"""

import sys
from pathlib import Path

import torch
from mnist import BATCH, learning_rate, load
from torch.nn import Flatten, Linear, ReLU, Sequential
from torch.nn.functional import cross_entropy

import harness

EPOCHS = 12
CONFIG = {"lr": 0.001, "batch_size": BATCH, "epochs": EPOCHS, "use_adam": True, "weight_decay": 1e-4, "cosine": True}
NAMES = [f"dense{k}.{kind}" for k in (1, 2, 3) for kind in "wb"]


def main() -> None:
    """Train on the data of the folder that is the last argument, then test."""
    request = harness.RunRequest(dtypes=("f32", "f64"))
    torch.set_default_dtype(getattr(torch, request.float_name))
    images, labels = map(torch.from_numpy, load(Path(sys.argv[-1]), "train", request.float_name))
    batches = len(images) // BATCH
    model = Sequential(Flatten(), Linear(784, 512), ReLU(), Linear(512, 512), ReLU(), Linear(512, 10))
    params = dict(zip(NAMES, model.parameters(), strict=True))
    decayed = [params[name] for name in NAMES if name.endswith(".w")]
    others = [params[name] for name in NAMES if name.endswith(".b")]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0.0}], lr=0.001
    )

    # PyTorch keeps a weight as (out, in), the file of initial parameters as (in, out).
    weights = harness.TorchWeights(
        params, optimizer, {"m": "exp_avg", "v": "exp_avg_sq"}, layout=lambda _, x: x.mT if x.ndim == 2 else x
    )
    with request.start(
        weights, network="MNIST-MLP", config=CONFIG, dataset="mnist", steps=EPOCHS * batches, epoch_steps=batches
    ) as run:
        for step in run.steps():
            epoch, batch = divmod(step - 1, batches)
            x, y = (tensor[batch * BATCH : (batch + 1) * BATCH] for tensor in (images, labels))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(epoch, EPOCHS)
            loss = cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss=loss, lr=learning_rate(epoch, EPOCHS), batch=(x, y))

    images, labels = map(torch.from_numpy, load(Path(sys.argv[-1]), "t10k", request.float_name))
    with torch.no_grad():
        correct = int((model(images).argmax(1) == labels).sum())
    print(f"test accuracy: {correct / len(labels):.4f} ({correct}/{len(labels)})")


if __name__ == "__main__":
    main()
