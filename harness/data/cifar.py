"""The binary format of CIFAR-10: records of one label byte and 3072 pixel bytes, and nothing else.

Source: specs/README.md, "Data".
"""

import numpy as np

from harness.data.idx import Bytes, Content
from harness.errors import DataError

SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32


def parse_batch(data: Content, where: str) -> tuple[Bytes, Bytes]:
    """Images and labels of a file's bytes; `where` names the file in errors.

    Shapes: (N, 3, 32, 32), (N,).
    Raises: DataError.
    """
    if len(data) == 0 or len(data) % RECORD:
        raise DataError(
            f"{where}: {len(data)} bytes, expected whole records of {RECORD} (a label and 3x32x32 pixels). "
            "Fetch it again: `harness data fetch cifar10`."
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0]


def batch_bytes(images: Bytes, labels: Bytes) -> bytes:
    """The content of a file.

    Shapes: images (N, 3072) in the order channel, row, column; labels (N,).
    """
    return np.concatenate([labels[:, None], images], axis=1).tobytes()
