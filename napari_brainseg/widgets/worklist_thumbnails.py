"""Small pictures of patients, made when they are first seen."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_brainseg.session.worklist import Worklist

__all__ = ["Thumbnails"]

_KEPT = 600
"""More than fit on any screen; about 10 MB at 200 %."""


class Thumbnails:
    """Pictures of one worklist.

    Parameters
    ----------
    worklist : Worklist
        Gives grey levels, (H, W) uint8.
    """

    def __init__(self, worklist: Worklist) -> None:
        self._worklist = worklist
        self._kept: OrderedDict[tuple[str, int], QPixmap] = OrderedDict()

    def pixmap(self, patient: str, side: int, ratio: float) -> QPixmap | None:
        """Return a picture that fits into a square, `None` while there is none.

        Parameters
        ----------
        patient : str
            Whose.
        side : int
            Of the square, in logical pixels.
        ratio : float
            Device pixels a logical one.
        """
        key = (patient, round(side * ratio))
        found = self._kept.get(key)
        if found is None:
            grey = self._worklist.thumbnail(patient)
            if grey is None:
                return None
            found = self._kept[key] = _scaled(grey, key[1], ratio)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found

    def forget(self, patients: Iterable[str] | None = None) -> None:
        """Make pictures anew when they are seen next; all of them if left out."""
        if patients is None:
            self._kept.clear()
            return
        gone = set(patients)
        for key in [key for key in self._kept if key[0] in gone]:
            del self._kept[key]


def _scaled(grey: NDArray[np.uint8], side: int, ratio: float) -> QPixmap:
    height, width = grey.shape
    # Qt reads the buffer until `copy`.
    packed = np.ascontiguousarray(grey)
    image = QImage(packed.data, width, height, width, QImage.Format.Format_Grayscale8).copy()
    image = image.scaled(
        side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    pixmap = QPixmap.fromImage(image)
    pixmap.setDevicePixelRatio(ratio)
    return pixmap
