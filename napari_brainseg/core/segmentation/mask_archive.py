"""Masks of many patients in one file: ``<part>_masks.npz`` of an evaluation."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["MaskArchive", "save_masks"]

SHAPE = "/shape"
"""Ends the name under which a mask's shape stands; the mask itself is packed to bits."""
FAULTS = (OSError, ValueError, KeyError, zipfile.BadZipFile)


def save_masks(path: Path, masks: Mapping[str, NDArray[np.generic]]) -> None:
    """Write masks, whole or not at all.

    Parameters
    ----------
    path : Path
        File to write, ``.npz``.
    masks : mapping of str to ndarray, shape (Z, Y, X)
        Patient to mask; what is not 0 is lesion.

    Raises
    ------
    DataError
        If the place cannot be written.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for patient, mask in masks.items():
        arrays[patient] = np.packbits((mask != 0).reshape(-1))
        arrays[patient + SHAPE] = np.array(mask.shape, dtype=np.int64)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


class MaskArchive:
    """Masks that `save_masks` wrote, unpacked one at a time.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    DataError
        If it is not there or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # opened here: NumPy leaves a damaged archive open
            with path.open("rb") as source, np.load(source, allow_pickle=False) as file:
                names = set(file.files)
        except FAULTS as error:
            raise self._damaged(error) from error
        self.patients = tuple(sorted(n for n in names if n + SHAPE in names))

    def __contains__(self, patient: object) -> bool:
        return patient in self.patients

    def load(self, patient: str) -> NDArray[np.uint8]:
        """Read a patient's mask (Z, Y, X) of 0 and 1.

        Raises
        ------
        DataError
            If the patient is not in the file, or the file is damaged.
        """
        if patient not in self.patients:
            raise DataError(f"{self._path} holds no mask of {patient}.", "Measure the run again.")
        try:
            with self._path.open("rb") as source, np.load(source, allow_pickle=False) as file:
                bits, shape = file[patient], tuple(int(n) for n in file[patient + SHAPE])
            return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape)
        except FAULTS as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"The masks in {self._path} cannot be read: {error}.", "Measure the run again."
        )
