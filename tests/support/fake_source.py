"""A data set of four tiny files, and a source that delivers what it is told to."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.data import DataSetFacts, RawFile
from harness.data.sources import Delivery, SourceError

CONTENT = {"a": b"a" * 100_000, "b": b"labels", "c": bytes(range(256)) * 9, "d": b"\x00"}
FILES = tuple(RawFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items())
FACTS = DataSetFacts("tiny", (FILES[0], FILES[1], FILES[2], FILES[3]), (1, 1, 1), 10)


@dataclass
class Fake:
    """Delivers what it is told to, and remembers what it was asked for."""

    content: dict[str, bytes] = field(default_factory=lambda: dict(CONTENT))
    name: str = "fake"
    complaint: str | None = None
    asked: list[str] = field(default_factory=list)
    closed: bool = False

    def read(self, files: Sequence[RawFile]) -> Delivery:
        try:
            for file in files:
                self.asked.append(file.name)
                if file.name in self.content:
                    yield file, self._chunks(self.content[file.name])
            if self.complaint:
                raise SourceError(self.complaint)
        finally:
            self.closed = True

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]
