"""A patient of an effect review with all that there is to see, and what is done until then."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.session.effect_cases import Figures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study

__all__ = ["Activity", "EffectPicture", "Work"]


class Work(StrEnum):
    """What is being done for a patient."""

    READING = "reading"
    """Its files."""
    CURRENT = "current"
    """The version in use predicts it."""
    CANDIDATE = "candidate"
    """The new version predicts it."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What is being done for a patient, and how far it is.

    Parameters
    ----------
    index : int
        Place of the patient in the review.
    work : Work
    done, total : int
        Of its steps; both 0 where that is not known yet.
    """

    index: int
    work: Work
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class EffectPicture:
    """A patient with all that there is to see.

    Parameters
    ----------
    study : Study
        Its images.
    reference : ndarray of uint8, shape (Z, Y, X)
        The mask that both are compared with, zeros and ones.
    current, candidate : ndarray of uint8, shape (Z, Y, X)
        What the version in use, and the new one, delivers.
    figures : Figures
        Of these masks with the reference.
    gained, lost : ndarray of int, shape (Z,)
        Voxels a slice that only the new version marks, and only the one in use.
    """

    study: Study
    reference: NDArray[np.uint8]
    current: NDArray[np.uint8]
    candidate: NDArray[np.uint8]
    figures: Figures
    gained: NDArray[np.int64]
    lost: NDArray[np.int64]

    @classmethod
    def of(
        cls, study: Study, current: NDArray[np.uint8], candidate: NDArray[np.uint8]
    ) -> EffectPicture:
        """Compare two masks (Z, Y, X) of a study that carries its reference."""
        from napari_brainseg.core.segmentation.metrics import dsc

        # A patient without a mask file is one without a lesion.
        truth = np.zeros_like(current) if study.truth is None else study.truth.data
        old, new = current != 0, candidate != 0
        return cls(
            study,
            truth,
            old.astype(np.uint8),
            new.astype(np.uint8),
            Figures(
                dsc(old, truth),
                dsc(new, truth),
                int(np.count_nonzero(old)),
                int(np.count_nonzero(new)),
                bool(truth.any()),
            ),
            np.count_nonzero(new & ~old, axis=(1, 2)),
            np.count_nonzero(old & ~new, axis=(1, 2)),
        )

    @property
    def slices(self) -> tuple[int, ...]:
        """Indices of the slices in which the two versions differ."""
        return tuple(int(z) for z in np.flatnonzero(self.gained + self.lost))

    @property
    def start(self) -> int:
        """The slice with the largest difference; without any, that with most of the reference."""
        changed = self.gained + self.lost
        if not changed.any():
            changed = np.count_nonzero(self.reference, axis=(1, 2))
        return int(changed.argmax()) if changed.any() else len(changed) // 2
