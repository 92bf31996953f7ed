"""What a new correction starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import CorrectionBase

__all__ = ["base_mask"]


def base_mask(case: Case, base: CorrectionBase) -> tuple[NDArray[np.uint8], str | None]:
    """Return the mask that a correction of a case would start from.

    Parameters
    ----------
    case : Case
        Whose prediction or truth.
    base : {"prediction", "truth", "empty"}
        Which one.

    Returns
    -------
    mask : ndarray of uint8, shape (Z, Y, X)
        Zeros and ones; a copy.
    version : str or None
        Of the model that predicted it.

    Raises
    ------
    DataError
        If it is not at hand, or withheld as the case is read blind.
    """
    if base == "prediction":
        if case.is_blind:
            raise DataError(
                f"{case.patient} is read without the prediction.",
                "Start from an empty mask; the prediction shows with your first stroke.",
            )
        prediction = case.prediction
        if prediction is None:
            raise DataError(
                f"{case.patient} has no prediction to start from.",
                "Predict first, or start from an empty mask.",
            )
        return (prediction.mask != 0).astype(np.uint8), prediction.model_version
    if base == "truth":
        if case.truth is None:
            raise DataError(
                f"{case.patient} has no ground truth to start from.",
                "Start from the prediction or from an empty mask.",
            )
        return case.truth.copy(), None
    if base == "empty":
        return np.zeros(case.shape, np.uint8), None
    raise DataError(f"A correction cannot start from {base!r}.", "Known: prediction, truth, empty.")
