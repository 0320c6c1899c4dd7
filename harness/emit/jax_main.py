"""The part of the JAX script that runs: the command line, the training loop with its trace, and the test at its end."""

import re

from harness.emit.source import Source
from harness.spec.netspec import TrainConfig

PARSE = '''
def parse():
    """The data folder, whether to shuffle, the channels of the trace, and the limit of steps or None."""
    if len(sys.argv) < 2:
        fail("no data folder. Give it as the last argument.")
    shuffled = choice("LEAN_MLIR_NO_SHUFFLE", None, ("1",)) is None
    channels = choice("HARNESS_TRACE_CHANNELS", "default", ("default", "all", "none"))
    return Path(sys.argv[-1]), shuffled, channels, max_steps()


def plan(data, limit):
    """Steps of an epoch, which leaves out what does not fill a batch, and steps of the whole run."""
    steps_per_epoch = len(data.images) // BATCH_SIZE
    if steps_per_epoch == 0:
        fail(f"the data holds {len(data.images)} images, a batch needs {BATCH_SIZE}.")
    total_steps = EPOCHS * steps_per_epoch
    return steps_per_epoch, total_steps if limit is None else min(limit, total_steps)


def shardings():
    """Shardings over the devices: whole on each of them, and split along the batch."""
    try:
        devices = jax.devices()
    except RuntimeError as error:
        fail(f"no device: {str(error).splitlines()[0]}")
    # A batch is split evenly or not at all: the last devices are left out until those that remain divide it.
    while BATCH_SIZE % len(devices):
        devices = devices[:-1]
    mesh = Mesh(np.array(devices), ("batch",))
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("batch"))
'''

TRAIN = '''
def train(data, steps_per_epoch, steps, shuffled, channels):
    """Take the steps and trace each of them; gives the parameters and the running statistics after the last."""
    everywhere, split = shardings()
    flat = initial_parameters()
    params = jax.device_put(unflatten(flat), everywhere)
    slots = {slot: jax.tree.map(ZEROS_LIKE, params) for slot in SLOTS}
    stats = jax.device_put({name: np.zeros(shape, DTYPE) for name, shape in STATS.items()}, everywhere)
    header = HEADER | {
        "dataset": data.name,
        "init_sha256": hashlib.sha256(flat.astype("<f4").tobytes()).hexdigest(),
        "data_sha256": data.sha256,
        "backend": os.environ.get("JAX_PLATFORMS") or jax.default_backend(),
        "jit": not jax.config.jax_disable_jit,
        "devices": everywhere.num_devices,
        "shuffle": shuffled,
        "planned_steps": steps,
        "epoch_steps": steps_per_epoch,
        "emitted_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    labels = data.labels.astype(np.int32)
    order = list(range(len(labels)))
    states_out, states_in = state_folder("HARNESS_STATE_OUT"), state_folder("HARNESS_STATE_IN")
    exchanged, room = state_steps(steps), state_room()
    # A line at a time, so that a run which is stopped leaves every step that it took.
    with open_output("LEAN_MLIR_TRACE_OUT", os.devnull, "w", newline="\\n", buffering=1) as trace:
        print(json.dumps(header), file=trace)
        for step in range(1, steps + 1):
            if step in exchanged:
                if states_out:
                    write_state(states_out, room, step, params, slots, stats)
                if states_in:
                    params, slots, stats = jax.device_put(read_state(states_in, step), everywhere)
            epoch, batch = divmod(step - 1, steps_per_epoch)
            if shuffled and batch == 0:
                shuffle(order, epoch)
            rows = np.array(order[batch * BATCH_SIZE : (batch + 1) * BATCH_SIZE])
            lr = learning_rate(step, steps_per_epoch)
            observed = channels == "all" or (channels == "default" and (step <= 8 or step % 64 == 0))
            # train_step gives the memory of params to its results (donate_argnums); the norms need the old values.
            before = jax.tree.map(jnp.copy, params) if observed else None

            started = time.perf_counter()
            x, y = jax.device_put((MAKE_BATCH, labels[rows]), split)
            loss, params, slots, stats, grads = train_step(params, slots, stats, x, y, DTYPE(lr), DTYPE(step))
            record = {"kind": "step", "step": step, "epoch": epoch, "loss": number(loss), "lr": number(lr)}
            # JAX computes in the background: the step is over when its loss has been read. Observing is no part of it.
            wall_ms = 1000 * (time.perf_counter() - started)

            if observed:
                record |= observations(x, y, grads, BEFORE_AND_AFTER, stats)
            PARAM_WORDS
            record["wall_ms"] = round(wall_ms, 3)
            print(json.dumps(record), file=trace)
            if batch == 0 or step == steps:
                print(f"step {step} of {steps}: loss {float(loss):.6f}", flush=True)
    if states_out and steps + 1 in exchanged:
        write_state(states_out, room, steps + 1, params, slots, stats)
    return params, stats
'''

STATE = '''
def state_steps(steps):
    """The steps before which HARNESS_STATE_OUT and HARNESS_STATE_IN have a state, as HARNESS_STATE_STEPS says.

    8: every eight steps from the first on, and after the last. 1,9,100: before those.
    """
    if not {"HARNESS_STATE_OUT", "HARNESS_STATE_IN"} & os.environ.keys():
        return set()
    value = os.environ.get("HARNESS_STATE_STEPS", "")
    if not re.fullmatch(r"[1-9][0-9]{0,15}(,([1-9][0-9]{0,15})?)*", value):
        fail(f"HARNESS_STATE_STEPS is {value[:40]!r}, expected a number of steps, or steps by commas.")
    if "," in value:
        return {int(number) for number in value.split(",") if number}
    return {*range(1, steps + 1, int(value)), steps + 1}


def state_room():
    """HARNESS_STATE_ROOM as a number, or any number when it is unset."""
    value = os.environ.get("HARNESS_STATE_ROOM", str(2**53))
    if not re.fullmatch("[1-9][0-9]{0,15}", value):
        fail(f"HARNESS_STATE_ROOM is {value[:40]!r}, expected a number of at least 1.")
    return int(value)


def state_folder(name):
    """The folder of an environment variable, None when it is unset."""
    path = os.environ.get(name)
    if path is not None and not Path(path).is_dir():
        fail(f"{name} is {path!r}, expected a folder.")
    return None if path is None else Path(path)


def write_state(folder, room, step, params, slots, stats):
    """Write all that a step changes, as it is before the step; waits until there is room in the folder."""
    from safetensors.numpy import save_file

    while len(list(folder.glob("*.safetensors"))) >= room:
        time.sleep(0.001)
    kept = {f"{name}.{slot}": tensors[name] for slot, tensors in slots.items() for name in PARAMS}
    state = {name: np.ascontiguousarray(x) for name, x in (params | kept | stats).items()}
    partial = folder / f"{step}.partial"
    save_file(state, partial, {"step": str(step), "dtype": HEADER["dtype"]})
    partial.replace(folder / f"{step}.safetensors")  # that name only ever holds the whole of it


def read_state(folder, step):
    """Parameters, slots and statistics before a step, once they are there."""
    from safetensors.numpy import load_file

    path = folder / f"{step}.safetensors"
    while not path.exists():
        time.sleep(0.001)
    state = load_file(path)

    def take(name, shape):
        PARAM_DTYPE
        found = state.get(name)
        if found is None or found.shape != shape or not np.can_cast(found.dtype, TAKEN_DTYPE):
            fail(f"{path}: {name} is not there as numbers of {np.dtype(TAKEN_DTYPE)} or narrower of shape {shape}.")
        return found.astype(TAKEN_DTYPE)

    params = {name: take(name, shape) for name, (shape, _) in PARAMS.items()}
    slots = {slot: {name: take(f"{name}.{slot}", shape) for name, (shape, _) in PARAMS.items()} for slot in SLOTS}
    return params, slots, {name: take(name, shape) for name, shape in STATS.items()}
'''

TEST = '''
def count_correct(params, stats, images, labels):
    """The number of images that are classified rightly."""
    correct = 0
    for start in range(0, len(images), BATCH_SIZE):
        # predict is compiled for whole batches: the last one is filled up with repeats, which don't count.
        rows = np.minimum(np.arange(start, start + BATCH_SIZE), len(images) - 1)
        hits = np.asarray(predict(params, stats, make_batch(images, rows))) == labels[rows]
        correct += int(hits[: len(images) - start].sum())
    return correct


def test(params, stats, data, tested):
    """Print the accuracy on so many of the test images."""
    correct = count_correct(params, stats, data.test_images[:tested], data.test_labels[:tested])
    print(f"test accuracy: {correct / tested:.4f} ({correct}/{tested})")
'''

MAIN = '''
def main():
    """Train on the data of a folder, then test."""
    folder, shuffled, channels, limit = parse()
    data = load_data(folder)
    steps_per_epoch, steps = plan(data, limit)
    params, stats = train(data, steps_per_epoch, steps, shuffled, channels)
    # A run that was limited tests no more images than it was trained on: it is to be short.
    images = len(data.test_images)
    test(params, stats, data, images if steps == EPOCHS * steps_per_epoch else min(images, steps * BATCH_SIZE))


if __name__ == "__main__":
    main()
'''


# What stands for a word of the templates, or for a line with nothing but the word; "" removes the line.
FILLED = {
    "ZEROS_LIKE": "jnp.zeros_like",
    "BEFORE_AND_AFTER": "before, params",
    "PARAM_WORDS": "",
    "PARAM_DTYPE": "",
    "TAKEN_DTYPE": "DTYPE",
}
FILLED_WIDE = {
    "ZEROS_LIKE": "partial(jnp.zeros_like, dtype=DTYPE)",
    "BEFORE_AND_AFTER": "widened(before), widened(params)",
    "PARAM_WORDS": 'if channels != "none":\n                record["param_words"] = param_words(params)',
    "PARAM_DTYPE": "dtype = np.float32 if name in PARAMS else DTYPE",
    "TAKEN_DTYPE": "dtype",
}


def write_main(out: Source, config: TrainConfig, *, wide: bool = False) -> None:
    """Write `parse`, `plan`, `train`, `test` and `main`, and what starts it."""
    batch = "make_batch(data.images, rows, epoch)" if config.augment else "make_batch(data.images, rows)"
    for part in (PARSE, STATE, TRAIN, TEST):
        out.text(_filled(part, {"MAKE_BATCH": batch, **(FILLED_WIDE if wide else FILLED)}))
        out.gap()
    out.text(MAIN)


def _filled(template: str, words: dict[str, str]) -> str:
    for word, text in words.items():
        template = template.replace(word, text) if text else re.sub(rf"^ *{word}\n", "", template, flags=re.MULTILINE)
    return template
