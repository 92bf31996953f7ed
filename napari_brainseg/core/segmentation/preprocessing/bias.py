"""Evening out slow changes of brightness with SimpleITK's N4."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["correct_bias", "require_simpleitk"]

SHRINK = 8
"""The field is fitted to means of this many pixels squared: it is smooth, and time goes with the
number of voxels. About 8 mm, as thick as the slices are."""
ITERATIONS = (50, 50, 50)
"""At most, on each of the fit's levels."""
CONVERGENCE = 1e-3
HEAD_SHARE = 0.1
"""Voxels above this share of the volume's maximum belong to the head; the field is fitted there."""


def require_simpleitk() -> None:
    """Say how to install SimpleITK where it is missing.

    Raises
    ------
    ConfigError
        If it is missing.
    """
    if importlib.util.find_spec("SimpleITK") is None:
        raise ConfigError(
            "Bias-field correction needs SimpleITK, which is not installed.",
            'Install it with: pip install "napari-brainseg[itk]"',
        )


def correct_bias(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Divide each channel by its bias field.

    N4 (Tustison et al. 2010, doi 10.1109/TMI.2010.2046908), fitted on the head at an eighth of the
    in-plane resolution, in one thread, so that the same volume always gives the same field. About
    two seconds a channel. The field's geometric mean over the head is 1: intensities keep
    their range.

    Parameters
    ----------
    image : ndarray, shape (C, Z, Y, X)
        Intensities, 0 or more.

    Returns
    -------
    ndarray of float32, shape (C, Z, Y, X)
        Without the fields; blank channels as they were.

    Raises
    ------
    ConfigError
        If SimpleITK is missing.
    DataError
        If no field can be fitted.
    """
    require_simpleitk()
    if image.shape[1] == 1:  # a fit needs two slices
        return correct_bias(image.repeat(2, axis=1))[:, :1]
    sitk = importlib.import_module("SimpleITK")  # optional, and large: only where it is used
    joint = image.max(axis=0)
    head = joint > HEAD_SHARE * joint.max()
    if not head.any():
        return image.astype(np.float32)
    factors = [SHRINK if length >= 4 * SHRINK else 1 for length in (image.shape[3], image.shape[2])]
    whole_head = sitk.GetImageFromArray(head.astype(np.float32))
    small_head = sitk.BinShrink(whole_head, [*factors, 1]) > 0.5
    corrected = image.astype(np.float32)
    for channel in corrected:
        if channel.min() == channel.max():
            continue
        whole = sitk.GetImageFromArray(channel)
        n4 = sitk.N4BiasFieldCorrectionImageFilter()
        n4.SetNumberOfThreads(1)
        n4.SetMaximumNumberOfIterations(ITERATIONS)
        n4.SetConvergenceThreshold(CONVERGENCE)
        try:
            n4.Execute(sitk.BinShrink(whole, [*factors, 1]), small_head)
        except RuntimeError as error:
            raise DataError(
                f"No bias field could be fitted: {str(error).strip().splitlines()[-1]}",
                "Leave bias correction out for this data.",
            ) from error
        field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(whole))
        # N4 leaves the level open: the head keeps its own
        channel /= np.exp(field - field[head].mean())
    return corrected
