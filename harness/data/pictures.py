"""Compressed pictures, and one reason for each that cannot be used."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from PIL import Image, UnidentifiedImageError


@contextmanager
def open_picture(content: bytes, kind: Literal["JPEG", "PNG"]) -> Iterator[Image.Image]:
    """A picture of that kind, which is decoded when it is used.

    Raises: ValueError, one line without full stop, also for errors of decoding inside the block.
    """
    try:
        with Image.open(io.BytesIO(content), formats=[kind]) as image:
            yield image
    except UnidentifiedImageError:
        raise ValueError(f"no {kind}") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(" ".join(str(error).split())) from None
