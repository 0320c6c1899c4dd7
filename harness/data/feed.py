"""The batches of a run as they are fed: chosen, enlarged, augmented, normalised, one batch at a time."""

from harness.data import task
from harness.data.augment import augment
from harness.data.batches import BatchOrder, Indices, Labels, Pixels, fed_labels, pixels
from harness.data.dataset import DataSet
from harness.data.idx import Bytes
from harness.data.upsample import upsample


class BatchFeed:
    """Batches of `data` for a network that is trained on `dataset`. Source: specs/README.md, Data.

    Shapes: images (B, *input_shape) in `dtype`, labels (B,) int32.
    Raises: DataError when the data do not make one batch.
    """

    def __init__(
        self,
        data: DataSet,
        dataset: str,
        input_shape: tuple[int, ...],
        dtype: str,
        batch_size: int,
        *,
        augmented: bool,
        shuffle: bool,
    ) -> None:
        self.data = data
        self._normalisation = task(dataset, input_shape).normalisation
        self._input_shape, self._dtype, self._augmented = input_shape, dtype, augmented
        self._order = BatchOrder(len(data.train_images), batch_size, shuffle)
        self.steps_per_epoch = self._order.steps_per_epoch
        self.test_labels = fed_labels(data.test_labels)

    def training(self, step: int) -> tuple[Pixels, Labels]:
        """The batch of a step, counted from 1."""
        rows = self._order.batch_indices(step)
        images = self._sized(self.data.train_images[rows])
        if self._augmented:
            images = augment(images, rows, (step - 1) // self.steps_per_epoch)
        return self._as_input(images), fed_labels(self.data.train_labels[rows])

    def test(self, rows: Indices) -> tuple[Pixels, Labels]:
        """Test images by number, never augmented."""
        return self._as_input(self._sized(self.data.test_images[rows])), self.test_labels[rows]

    def _sized(self, images: Bytes) -> Bytes:
        return images if self.data.upsampled is None else upsample(images, self.data.upsampled)

    def _as_input(self, images: Bytes) -> Pixels:
        return pixels(images, self._dtype, self._normalisation).reshape(-1, *self._input_shape)
