"""A run live in TensorBoard: curves, slices with outlines, charts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import KAGGLE_ORDER, Modality
from napari_brainseg.core.reporting.overlay import grey, overlay
from napari_brainseg.core.reporting.triptych import telling_slices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray
    from torch.utils.tensorboard import SummaryWriter

    from training.data import ValidationCase

__all__ = ["Board", "flair_of"]

MOST_CASES = 3
FOLDER = "tensorboard"
SPACING = 1.1
"""From one epoch with images to the next, as a factor."""


class Board:
    """Writes what TensorBoard shows into a run's folder; on disk after each epoch.

    Parameters
    ----------
    run_dir : Path
        The run's folder; files go to ``tensorboard`` in it.
    first_epoch : int
        1, or where a resumed run goes on: what was written from there on is hidden.
    """

    def __init__(self, run_dir: Path, first_epoch: int = 1) -> None:
        self._folder = run_dir / FOLDER
        self._first_epoch = first_epoch
        self._writer: SummaryWriter | None = None
        self._next_images = 0.0

    def scalars(self, epoch: int, values: Mapping[str, float | None]) -> None:
        """Add a point to curves.

        Parameters
        ----------
        epoch : int
            1-based.
        values : mapping of str to float or None
            Tag, such as ``loss/train``, to value; ``None`` is left out.
        """
        writer = self._open()
        for tag, value in values.items():
            if value is not None:
                writer.add_scalar(tag, value, epoch)
        writer.flush()

    def images(self, epoch: int, cases: Iterable[tuple[ValidationCase, NDArray[np.uint8]]]) -> None:
        """Show validation patients: outline of the prediction red, of the truth green on top.

        Parameters
        ----------
        epoch : int
            1-based.
        cases : iterable of (ValidationCase, ndarray of uint8, shape (Z, Y, X))
            Patients and their masks on the native grid; the first three are shown, each by the
            slice with the largest lesion and the one where the masks differ most. Later epochs,
            which change little, are shown less often: some 30 of the first 100.
        """
        if epoch < self._next_images:
            return
        self._next_images = max(epoch + 1, epoch * SPACING)
        writer = self._open()
        for _, (case, mask) in zip(range(MOST_CASES), cases, strict=False):
            image = grey(flair_of(case))
            for z, why in telling_slices(case.truth, mask).items():
                writer.add_image(
                    f"{case.patient}/{why}",
                    overlay(image[z], mask[z], case.truth[z]),
                    epoch,
                    dataformats="HWC",
                )
        writer.flush()

    def figures(self, epoch: int, charts: Mapping[str, bytes]) -> None:
        """Show charts.

        Parameters
        ----------
        epoch : int
            1-based.
        charts : mapping of str to bytes
            Tag to PNG.
        """
        from PIL import Image

        writer = self._open()
        for tag, png in charts.items():
            picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
            writer.add_image(tag, picture, epoch, dataformats="HWC")
        writer.flush()

    def close(self) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> SummaryWriter:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=self._first_epoch)
        return self._writer


def flair_of(case: ValidationCase) -> NDArray[np.float32]:
    """FLAIR on the native grid, from what the network sees."""
    prepared = case.prepared.data[:, KAGGLE_ORDER.index(Modality.FLAIR)]
    # what lies outside the network's window comes back as 0, which must be the darkest
    restored: NDArray[np.float32] = case.prepared.restore(prepared - prepared.min())
    return restored
