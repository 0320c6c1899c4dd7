"""The part of the JAX script that reads the data and makes batches of them, with only what its data set needs.

Like the rest of the script it is its own: facts are shared with the other pipelines, arithmetic is not.
"""

from harness.data import CIFAR10, IMAGENETTE_CLASSES, IMAGENETTE_COUNTS, TASKS, data_sha256, upsampled_name
from harness.emit.source import Source, literal
from harness.errors import EmitError
from harness.spec.netspec import NetSpec, TrainConfig

READ_FILE = '''
def read_file(path, digest):
    """The bytes of a file, mapped into memory. Its name and SHA-256 go into the digest of the data."""
    if not path.is_file():
        fail(f"{path}: no such file. The last argument is the data folder.")
    raw = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    digest.update(f"{path.name} {hashlib.sha256(raw).hexdigest()}\\n".encode())
    return raw
'''

READ_IDX = '''
def read_idx(path, axes, digest):
    """One IDX file as an array of bytes."""
    raw = read_file(path, digest)
    start = 4 * (1 + axes)
    if len(raw) < start:
        fail(f"{path}: not an IDX file of {axes} axes.")
    magic, *shape = map(int, np.frombuffer(raw[:start], ">u4"))
    if magic != 2048 + axes or len(raw) - start != math.prod(shape):
        fail(f"{path}: not an IDX file of {axes} axes.")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def load_idx(folder, axes, digest):
    """Images and labels of the four IDX files, for training and for testing."""
    arrays = []
    for split in ("train", "t10k"):
        images = read_idx(folder / f"{split}-images-idx{axes}-ubyte", axes, digest)
        labels = read_idx(folder / f"{split}-labels-idx1-ubyte", 1, digest)
        if not len(images) == len(labels) > 0:
            fail(f"{folder}: {len(images)} {split} images have {len(labels)} labels.")
        arrays += [images, labels]
    return arrays
'''

READ_CIFAR = '''
def read_cifar(path, digest):
    """Images and labels of one file of records: a label, then 32 x 32 bytes of red, green and blue."""
    raw = read_file(path, digest)
    if len(raw) == 0 or len(raw) % 3073:
        fail(f"{path}: {len(raw)} bytes, expected whole records of 3073.")
    records = np.frombuffer(raw, np.uint8).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def load_cifar(folder, digest):
    """Images and labels of the six files of CIFAR-10, for training and for testing."""
    *train, test = (read_cifar(folder / name, digest) for name in CIFAR_FILES)
    images, labels = map(np.concatenate, zip(*train, strict=True))
    return [images, labels, *test]
'''

DATA = '''
class Data(NamedTuple):
    """Images as bytes and their labels, for training and for testing; the digest of the files; what they are called."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    sha256: str
    name: str
'''

LOAD_DATA = '''
def load_data(folder):
    """The data set of a folder."""
    digest = hashlib.sha256()
    arrays = LOAD
    for images, labels in (arrays[:2], arrays[2:]):
        if math.prod(images.shape[1:]) != math.prod(INPUT_SHAPE):
            fail(f"{folder}: images are of {images.shape[1:]}, expected {INPUT_SHAPE}.")
        if labels.max() >= CLASSES:
            fail(f"{folder}: a label is {labels.max()}, expected at most {CLASSES - 1}.")
    sha256 = digest.hexdigest()
    return Data(*arrays, sha256, DATASETS.get(sha256, "NAME-custom"))
'''

LOAD_ANY_SIDE = '''
def load_data(folder):
    """The data set of a folder.

    Imagenette as it was prepared for this size, or else CIFAR-10, whose images are enlarged when they are fed.
    """
    digest = hashlib.sha256()
    if (folder / "train-images-idx4-ubyte").exists():
        arrays = load_idx(folder, 4, digest)
        for images in arrays[::2]:
            if images.shape[1:] != INPUT_SHAPE:
                fail(f"{folder}: images are of {images.shape[1:]}, expected {INPUT_SHAPE}.")
        listed = folder / "classes.txt"
        real = listed.is_file() and listed.read_text(encoding="latin-1").split() == IMAGENETTE_CLASSES
        real = real and (len(arrays[0]), len(arrays[2])) == IMAGENETTE_COUNTS
        name = "imagenette" if real else "imagenette-custom"
    else:
        if SIDE < 32 or INPUT_SHAPE != (3, SIDE, SIDE):
            fail(f"{folder}: images of CIFAR-10 cannot be enlarged to {INPUT_SHAPE}.")
        arrays = load_cifar(folder, digest)
        digest.update(f"bilinear {SIDE}\\n".encode())
        name = DATASETS.get(digest.hexdigest(), f"cifar10-custom-up{SIDE}")
    for labels in arrays[1::2]:
        if labels.max() >= CLASSES:
            fail(f"{folder}: a label is {labels.max()}, expected at most {CLASSES - 1}.")
    return Data(*arrays, digest.hexdigest(), name)


def upsample(image):
    """An image enlarged to SIDE x SIDE: bilinear, in integers, the weights in units of 1 / (2 SIDE)."""
    n, unit = image.shape[-1], 2 * SIDE
    low, weight = np.divmod((2 * np.arange(SIDE) + 1) * n - SIDE, unit)
    low, high = np.maximum(low, 0), np.minimum(low + 1, n - 1)
    wide = image.astype(np.int64)
    wide = wide[..., low] * (unit - weight) + wide[..., high] * weight
    weight = weight[:, None]
    wide = wide[..., low, :] * (unit - weight) + wide[..., high, :] * weight
    return ((wide + unit**2 // 2) // unit**2).astype(np.uint8)
'''

AUGMENT = '''
def augment(images, examples, epoch):
    """Each image moved by up to an eighth of its size, zeros moving in, and every other one mirrored.

    The random numbers are those of SplitMix64 from seed 0, numbered by epoch and example.
    """
    height, width = images.shape[-2:]
    y, x = height // 8, width // 8
    padded = np.pad(images, [(0, 0)] * (images.ndim - 2) + [(y, y), (x, x)])
    augmented = np.empty_like(images)
    for i, example in enumerate(map(int, examples)):
        word = (epoch * 2**32 + example + 1) * 0x9E3779B97F4A7C15 % 2**64
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
        word ^= word >> 31
        top, left = word % 2**16 % (2 * y + 1), (word >> 16) % 2**16 % (2 * x + 1)
        crop = padded[i, ..., top : top + height, left : left + width]
        augmented[i] = crop[..., ::-1] if (word >> 32) % 2 else crop
    return augmented
'''

SHUFFLE = '''
def shuffle(order, epoch):
    """Fisher-Yates in place, cumulative over epochs, drawing from a 64-bit linear congruential generator."""
    state = (epoch + 42) ^ 0x5DEECE66D
    for i in range(len(order) - 1, 0, -1):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        j = (state >> 16) % (i + 1)
        order[i], order[j] = order[j], order[i]
'''


def write_data_constants(out: Source, spec: NetSpec) -> None:
    """Write what is known of the data before they are read.

    Raises: EmitError for a data set that there is none of.
    """
    if spec.dataset not in TASKS:
        raise EmitError(f"{spec.name}: unknown data set '{spec.dataset}'; known are {', '.join(TASKS)}.")
    task = TASKS[spec.dataset]
    if task.normalisation is not None:
        out.line("# Of red, green and blue.")
        out.line(f"MEAN = np.array({task.normalisation.mean}, np.float32)[:, None, None]")
        out.line(f"DEVIATION = np.array({task.normalisation.deviation}, np.float32)[:, None, None]")
    if task.facts.format == "cifar":
        out.line(f"CIFAR_FILES = {literal([file.name for file in CIFAR10.files])}")
    if task.any_side:
        out.line(f"SIDE = {spec.input_shape[-1]}")
        out.line(f"IMAGENETTE_CLASSES = {literal(list(IMAGENETTE_CLASSES))}")
        out.line(f"IMAGENETTE_COUNTS = {IMAGENETTE_COUNTS}  # for training, for testing")
    out.line("# Digests of the data sets that are known; others are called custom.")
    with out.block("DATASETS = {"):
        for facts in (task.facts, task.synthetic):
            side = spec.input_shape[-1] if task.any_side else None
            digest = data_sha256(((file.name, file.sha256) for file in facts.files), side)
            out.line(f'"{digest}": "{facts.name if side is None else upsampled_name(facts.name, side)}",')
    out.line("}")


def write_data(out: Source, spec: NetSpec, config: TrainConfig) -> None:
    """Write `load_data`, `make_batch` and `shuffle`, and what they need."""
    task = TASKS[spec.dataset]
    parts = [DATA, READ_FILE]
    if task.any_side or task.facts.format == "idx":
        parts.append(READ_IDX)
    if task.facts.format == "cifar":
        parts.append(READ_CIFAR)
    if task.any_side:
        parts.append(LOAD_ANY_SIDE)
    else:
        load = "load_idx(folder, 3, digest)" if task.facts.format == "idx" else "load_cifar(folder, digest)"
        parts.append(LOAD_DATA.replace("LOAD", load).replace("NAME", spec.dataset))
    if config.augment:
        parts.append(AUGMENT)
    for part in parts:
        out.text(part)
        out.gap()
    _write_make_batch(out, spec, config)
    out.gap()
    out.text(SHUFFLE)


def _write_make_batch(out: Source, spec: NetSpec, config: TrainConfig) -> None:
    """Write `make_batch` with only the steps that are taken; pixels are scaled batch by batch: all would not fit."""
    task = TASKS[spec.dataset]
    told = "enlarged, " if task.any_side else ""
    told += "augmented given an epoch, " if config.augment else ""
    told += "scaled to [0, 1]" if task.normalisation is None else "scaled to [0, 1] and normalised"
    with out.block(f"def make_batch(images, rows{', epoch=None' if config.augment else ''}):"):
        out.line(f'"""The images of these rows, {told} in float32."""')
        out.line("batch = images[rows]")
        if task.any_side:
            with out.block("if batch.shape[-1] != SIDE:"):
                out.line("batch = np.stack([upsample(image) for image in batch])")
        if config.augment:
            with out.block("if epoch is not None:"):
                out.line("batch = augment(batch, rows, epoch)")
        out.line("scaled = batch.astype(np.float32) / np.float32(255)")
        if task.normalisation is not None:
            out.line("scaled = (scaled - MEAN) / DEVIATION")
        out.line("return scaled.reshape(-1, *INPUT_SHAPE).astype(DTYPE)")
