"""The night of a GPU check: what runs, in which order. Nothing but Python's own library is needed here."""

DATASET = "mnist"
# Seconds that a run may take are these parts of all minutes, so that one that hangs costs no other its turn.
_SHORT, _LONG = 0.15, 0.55


def night_text(backend: str, minutes: float, mlp_steps: str = "full", cnn_steps: str = "200") -> str:
    """The configuration of the night, as `harness nightly` takes it.

    Double precision comes first: it takes seconds and says most. `minutes`: all that there are for it. `mlp_steps`,
    `cnn_steps`: a number, or `full`.
    """
    short, long = (f"{minutes * part:.3f}" for part in (_SHORT, _LONG))
    # A state of the CNN has 20 MB and one of the MLP 8. Those of phase 2 are what phase 3 was set to in lockstep.
    parts = [
        _part("mnist_mlp", "f64", "4", short, 0),
        _part("mnist_cnn", "f64", "4", short, 0),
        _part("mnist_mlp", "f32", mlp_steps, long, 2),
        _part("mnist_cnn", "f32", cnn_steps, long, 2),
    ]
    return "\n".join([f'title = "GPU check on {backend}"', f'backends = ["{backend}"]', *parts])


def _part(model: str, dtype: str, steps: str, minutes: str, kept: int) -> str:
    """A network; phase 3 also runs in lockstep with phase 2 where there are more steps than a segment has."""
    size = steps if steps.isdigit() else f'"{steps}"'
    return f"""
[[verify]]
models = ["{model}"]
dtypes = ["{dtype}"]
steps = {size}
timeout_minutes = {minutes}
keep_states = {kept}
keep_states_of = ["phase3"]
ladder = false
states = 0"""
