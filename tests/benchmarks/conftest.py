"""What benchmarks compare with: the published preprocessing, rebuilt from REFERENCE.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import skimage.io
import skimage.transform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.formats import StudyFolder


class ReferencePreprocessing:
    """Slices read one after another, resized by scikit-image with splines of order 2."""

    def load(self, folder: StudyFolder) -> NDArray[np.uint8]:
        """(Z, Y, X, C), without the first and the last slice."""
        return np.stack([skimage.io.imread(path) for path in folder.images[1:-1]])

    def load_masks(self, folder: StudyFolder) -> NDArray[np.uint8]:
        """(Z, Y, X), without the first and the last slice."""
        return np.stack([skimage.io.imread(path) for path in folder.masks[1:-1] if path])

    def prepare(self, volume: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(Z, 256, 256, C)."""
        volume = volume.astype(float)
        volume[volume < 0.1 * volume.max()] = 0
        z, y, x = (np.flatnonzero((volume.max(axis=-1) > 0).any(axis=axes))
                   for axes in ((1, 2), (0, 2), (0, 1)))  # fmt: skip
        volume = volume[z[0] : z[-1] + 1, y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        height, width = volume.shape[1:3]
        side = max(height, width)
        pads = [((side - n) // 2, side - n - (side - n) // 2) for n in (height, width)]
        volume = np.pad(volume, ((0, 0), *pads, (0, 0)))
        shape = (len(volume), 256, 256, 3)
        volume = skimage.transform.resize(
            volume, shape, order=2, mode="constant", cval=0, anti_aliasing=False
        )
        low, high = np.percentile(volume, (10, 99))
        volume = np.clip((volume - low) / (high - low), 0, 1)
        return (volume - volume.mean(axis=(0, 1, 2))) / volume.std(axis=(0, 1, 2))


@pytest.fixture(scope="session")
def reference_preprocessing() -> ReferencePreprocessing:
    return ReferencePreprocessing()
