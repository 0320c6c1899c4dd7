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
    states_out, states_in = folder_of("HARNESS_STATE_OUT"), folder_of("HARNESS_STATE_IN")
    logits_out = folder_of("HARNESS_LOGITS_OUT")
    exchanged, room = state_steps(steps), state_room()
    parts = run_parts(steps, exchanged if states_in else set())
    flat = initial_parameters()
    params = jax.device_put(unflatten(flat), everywhere)
    slots = {slot: {name: np.zeros(shape, DTYPE) for name, (shape, _) in PARAMS.items()} for slot in SLOTS}
    slots = jax.device_put(slots, everywhere)
    stats = jax.device_put({name: np.zeros(shape, DTYPE) for name, shape in STATS.items()}, everywhere)
    header = HEADER | {
        "dataset": data.name,
        "init_sha256": hashlib.sha256(flat.astype("<f4").tobytes()).hexdigest(),
        "data_sha256": data.sha256,
        "backend": os.environ.get("JAX_PLATFORMS") or jax.default_backend(),
        "jit": not jax.config.jax_disable_jit,
        "devices": everywhere.num_devices,
        "shuffle": shuffled,
        "planned_steps": sum(count for _, count in parts),
        "epoch_steps": steps_per_epoch,
        "emitted_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    if "HARNESS_RUN_STEPS" in os.environ:
        header["run_steps"] = os.environ["HARNESS_RUN_STEPS"]
    labels = data.labels.astype(np.int32)
    order, shuffles = list(range(len(labels))), 0
    if states_out and 1 in exchanged:
        write_state(states_out, room, 1, params, slots, stats)
    # A line at a time, so that a run which is stopped leaves every step that it took.
    with open_output("LEAN_MLIR_TRACE_OUT", os.devnull, "w", newline="\\n", buffering=1) as trace:
        print(json.dumps(header), file=trace)
        for first, count in parts:
            if states_in and first in exchanged:
                params, slots, stats = jax.device_put(read_state(states_in, first), everywhere)
                if logits_out:
                    write_logits(logits_out, first, params, stats, data)
            for step in range(first, first + count):
                epoch, batch = divmod(step - 1, steps_per_epoch)
                while shuffled and shuffles <= epoch:
                    shuffle(order, shuffles)
                    shuffles += 1
                rows = np.array(order[batch * BATCH_SIZE : (batch + 1) * BATCH_SIZE])
                lr = learning_rate(step, steps_per_epoch)
                observed = channels == "all" or (channels == "default" and (step <= 8 or step % 64 == 0))
                # train_step gives the memory of params to its results (donate_argnums); the norms need the old values.
                before = copies(params) if observed else None

                started = time.perf_counter()
                x, y = jax.device_put((MAKE_BATCH, labels[rows]), split)
                loss, params, slots, stats, grads = train_step(params, slots, stats, x, y, DTYPE(lr), DTYPE(step))
                record = {"kind": "step", "step": step, "epoch": epoch, "loss": number(loss), "lr": number(lr)}
                # JAX computes in the background: the step is over when its loss has been read.
                wall_ms = 1000 * (time.perf_counter() - started)

                if observed:  # which is no part of the step
                    record |= observations(x, y, grads, BEFORE_AND_AFTER, stats)
                PARAM_WORDS
                record["wall_ms"] = round(wall_ms, 3)
                print(json.dumps(record), file=trace)
                if batch == 0 or step == steps:
                    print(f"step {step} of {steps}: loss {float(loss):.6f}", flush=True)
                if states_out and step + 1 in exchanged:
                    write_state(states_out, room, step + 1, params, slots, stats)
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


def run_parts(steps, taken):
    """The parts that the run is taken in, each from its first step on, as (first step, number of steps).

    All of it by default, in parts between the steps before which a state is taken. HARNESS_RUN_STEPS=9+4,401+0: four
    steps from the state before step 9 on, and none from that before step 401 on.
    """
    value = os.environ.get("HARNESS_RUN_STEPS")
    if value is None:
        starts = sorted({1} | {step for step in taken if step <= steps})
        return [(first, after - first) for first, after in zip(starts, [*starts[1:], steps + 1], strict=True)]
    part = "[1-9][0-9]{0,15}[+][0-9]{1,15}"
    if not re.fullmatch(f"{part}(,{part})*", value):
        fail(f"HARNESS_RUN_STEPS is {value[:40]!r}, expected STEP+COUNT, several by commas.")
    parts, end = [], 1
    for first, count in (map(int, text.split("+")) for text in value.split(",")):
        if first < end or first + count > steps + 1:
            fail(f"HARNESS_RUN_STEPS has {first}+{count}, expected steps from {end} on, of {steps}.")
        if first not in taken:
            fail(f"HARNESS_RUN_STEPS has {first}, expected a step of HARNESS_STATE_STEPS, and HARNESS_STATE_IN.")
        parts.append((first, count))
        end = first + count
    return parts


def folder_of(name):
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
def test_logits(params, stats, images):
    """Logits of images, an array of shape (N, CLASSES)."""
    logits = []
    for start in range(0, len(images), BATCH_SIZE):
        # predict is compiled for whole batches: the last one is filled up with repeats, which are cut off.
        rows = np.minimum(np.arange(start, start + BATCH_SIZE), len(images) - 1)
        logits.append(np.asarray(predict(params, stats, make_batch(images, rows))))
    return np.concatenate(logits)[: len(images)]


def write_logits(folder, step, params, stats, data):
    """Write the logits of the first test images, and their labels, by the state before a step."""
    from safetensors.numpy import save_file

    logits = test_logits(params, stats, data.test_images[:1024])
    labels = data.test_labels[:1024].astype(np.int32)
    partial = folder / f"{step}.logits.partial"
    save_file({"logits": logits, "labels": labels}, partial, {"step": str(step), "dtype": HEADER["dtype"]})
    partial.replace(folder / f"{step}.logits.safetensors")


def test(params, stats, data, tested):
    """Print the accuracy on so many of the test images."""
    best = np.argmax(test_logits(params, stats, data.test_images[:tested]), axis=-1)
    correct = int((best == data.test_labels[:tested]).sum())
    print(f"test accuracy: {correct / tested:.4f} ({correct}/{tested})")
'''

MAIN = '''
def main():
    """Train on the data of a folder, then test."""
    folder, shuffled, channels, limit = parse()
    data = load_data(folder)
    steps_per_epoch, steps = plan(data, limit)
    params, stats = train(data, steps_per_epoch, steps, shuffled, channels)
    if "HARNESS_RUN_STEPS" in os.environ:
        return  # parts of a run have no end to test
    # A run that was limited tests no more images than it was trained on: it is to be short.
    images = len(data.test_images)
    test(params, stats, data, images if steps == EPOCHS * steps_per_epoch else min(images, steps * BATCH_SIZE))


if __name__ == "__main__":
    main()
'''


# What stands for a word of the templates, or for a line with nothing but the word; "" removes the line.
FILLED = {
    "BEFORE_AND_AFTER": "before, params",
    "PARAM_WORDS": "",
    "PARAM_DTYPE": "",
    "TAKEN_DTYPE": "DTYPE",
}
FILLED_WIDE = {
    "BEFORE_AND_AFTER": "widened(before), widened(params)",
    "PARAM_WORDS": 'if channels != "none":\n                    record["param_words"] = param_words(params)',
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
