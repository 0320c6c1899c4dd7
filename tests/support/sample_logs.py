"""Logs as other tools write them, of losses of consecutive steps: what each tool's own code prints or dumps."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

RATE = 0.0010000000474974513
Losses = Sequence[float]


def falling(steps: int = 100) -> list[float]:
    """Losses as a training has them, each a float32."""
    return [round(2.4 / (1 + 0.1 * k) * 2**20) / 2**20 for k in range(steps)]


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """As Python's own writer has it, which ends lines with CR LF."""
    return "".join(",".join(map(str, row)) + "\r\n" for row in (columns, *rows))


def trainer_state(losses: Losses, every: int = 10) -> str:
    """`TrainerState.save_to_json`: means of `every` steps, an evaluation, a summary."""
    history: list[dict[str, object]] = []
    for end in range(every, len(losses) + 1, every):
        mean = round(sum(losses[end - every : end]) / every, 4)
        row = {"epoch": end / 46.8, "grad_norm": 1.25, "learning_rate": RATE, "loss": mean, "step": end}
        history.append(row)
    history.append({"epoch": 2.0, "eval_loss": 0.4, "eval_runtime": 1.5, "step": len(losses)})
    history.append({"epoch": 2.0, "step": len(losses), "total_flos": 0.0, "train_loss": 0.9, "train_runtime": 2.0})
    state = {
        "best_metric": None,
        "epoch": 2.0,
        "eval_steps": 500,
        "global_step": len(losses),
        "is_hyper_param_search": False,
        "log_history": history,
        "logging_steps": every,
        "max_steps": len(losses),
        "num_train_epochs": 1,
        "trial_name": None,
    }
    return json.dumps(state, indent=2, sort_keys=True) + "\n"


def lightning(losses: Losses, every: int = 10) -> str:
    """`metrics.csv`: rates, losses and evaluations in rows of their own, steps from 0."""
    rows: list[Sequence[object]] = []
    for step in range(every - 1, len(losses), every):
        rows.append(["", RATE, step, "", "", ""])
        rows.append([0, "", step, "", losses[step], ""])
    rows.append([0, "", len(losses) - 1, "", "", 0.4])
    rows.append([0, "", len(losses) - 1, 1.2, "", ""])
    return csv_text(["epoch", "lr-Adam", "step", "train_loss_epoch", "train_loss_step", "val_loss"], rows)


def keras(losses: Losses) -> str:
    """A row an epoch: here, of eight steps."""
    means = [sum(losses[k : k + 8]) / 8 for k in range(0, len(losses) - 7, 8)]
    rows = [[epoch, 0.97, mean, 0.98, 0.06] for epoch, mean in enumerate(means)]
    return csv_text(["epoch", "accuracy", "loss", "val_accuracy", "val_loss"], rows).replace("\r\n", "\n")


def wandb(losses: Losses) -> str:
    """A chart's export, all in quotation marks, without a newline at its end."""
    names = ["Step", *(f"lively-sun-7 - train/loss{end}" for end in ("", "__MIN", "__MAX"))]
    rows = [names, *([step, loss, loss, loss] for step, loss in enumerate(losses))]
    return "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)


def tensorboard(losses: Losses) -> str:
    rows = [[1700000000 + step / 100, step, loss] for step, loss in enumerate(losses)]
    return csv_text(["Wall time", "Step", "Value"], rows)


def golden(losses: Losses, every: int = 5) -> str:
    """Golden values of Megatron-LM's functional tests."""
    steps = [1, *range(every, len(losses) + 1, every)]
    metric = {"start_step": 1, "end_step": len(losses), "step_interval": every}
    values = {str(step): round(losses[step - 1], 5) for step in steps}
    zeros = {str(step): "nan" if step == 1 else 17.0 for step in steps}
    return json.dumps({"lm loss": {**metric, "values": values}, "num-zeros": {**metric, "values": zeros}}, indent=4)


def megatron(losses: Losses) -> str:
    lines = ["[before the start of training step] datetime: 2026-01-01 00:00:00"]
    for step, loss in enumerate(losses, 1):
        lines.append(
            f" [2026-01-01 00:00:{step % 60:02}] iteration {step:8d}/{len(losses):8d} | "
            f"consumed samples: {128 * step:12d} | elapsed time per iteration (ms): 10.0 | "
            f"learning rate: {RATE:.6E} | global batch size:   128 | lm loss: {loss:.6E} | loss scale: 1.0 | "
            "grad norm: 1.250 | number of skipped iterations:   0 | number of nan iterations:   0 |"
        )
    lines.append(
        f" validation loss at iteration {len(losses)} | lm loss value: 1.043863E+00 | lm loss PPL: 2.840E+00 |"
    )
    return "\n".join(lines) + "\n"


def torchtitan(losses: Losses) -> str:
    """Coloured lines, and a validation between them."""
    lines = []
    for step, loss in enumerate(losses, 1):
        lines.append(
            f"[rank0]:[titan] 2026-01-01 00:00:00,000 - root - INFO - \x1b[31mstep: {step:2}  "
            f"\x1b[32mloss: {loss:8.5f}  \x1b[38;2;180;60;0mgrad_norm:  1.2500  "
            "\x1b[38;2;54;234;195mmemory:  1.02GiB(1.07%)  \x1b[34mtps: 83,011"
            "  \x1b[36mtflops: 5.95  \x1b[35mmfu: 1.91%\x1b[39m"
        )
        if step == 10:
            lines.append("[rank0]:[titan] - root - INFO - \x1b[31mvalidate step: 10  \x1b[32mloss:  9.10000  \x1b[39m")
    return "\n".join(lines) + "\n"


def torchtitan_losses(losses: Losses) -> str:
    return "".join(f"{step} {loss}\n" for step, loss in enumerate(losses, 1))


def mllog(losses: Losses, batch: int = 128) -> str:
    """Events that tell the samples before the step, among others."""
    event = {"namespace": "", "time_ms": 1700000000000, "event_type": "POINT_IN_TIME"}
    lines = [{**event, "key": "global_batch_size", "value": batch, "metadata": {"file": "train.py", "lineno": 7}}]
    for step, loss in enumerate(losses):
        metadata = {"samples_count": batch * step, "lr": RATE}
        lines.append({**event, "key": "train_loss", "value": loss, "metadata": metadata})
    lines.append({**event, "key": "eval_accuracy", "value": 0.9, "metadata": {"samples_count": batch * len(losses)}})
    return "".join(f":::MLLOG {json.dumps(line)}\n" for line in lines)


def plain_csv(losses: Losses) -> str:
    return csv_text(["iter", "lr", "loss"], [[step, RATE, loss] for step, loss in enumerate(losses, 1)])


def json_lines(losses: Losses) -> str:
    return "".join(json.dumps({"step": k, "train": {"loss": x, "lr": RATE}}) + "\n" for k, x in enumerate(losses))


# By the name of its format: what writes it, the suffix of its file, what a report calls it.
LOGS: dict[str, tuple[Callable[[Losses], str], str, str]] = {
    "trainer-state": (trainer_state, "trainer_state.json", "Hugging Face trainer_state"),
    "lightning": (lightning, "metrics.csv", "Lightning metrics"),
    "keras": (keras, "history.csv", "Keras CSVLogger"),
    "wandb": (wandb, "wandb_export.csv", "W&B export"),
    "tensorboard": (tensorboard, "run-.-tag-loss.csv", "TensorBoard CSV"),
    "megatron-golden": (golden, "golden_values.json", "Megatron golden values"),
    "megatron": (megatron, "stdout.log", "Megatron output"),
    "torchtitan": (torchtitan, "titan.log", "TorchTitan output"),
    "torchtitan-losses": (torchtitan_losses, "losses.txt", "TorchTitan losses"),
    "mllog": (mllog, "result_0.txt", "MLPerf log"),
    "csv": (plain_csv, "log.csv", "CSV"),
    "json": (json_lines, "log.jsonl", "JSON"),
}


def write_log(folder: Path, name: str, losses: Losses) -> Path:
    """A log of that format in a folder."""
    write, file, _ = LOGS[name]
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(write(losses), newline="")
    return path
