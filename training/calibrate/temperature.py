"""One temperature for all folds, and what it is worth on folds it was not fitted to.

Logits are divided by a temperature that minimises the negative log likelihood (Guo et al. 2017:
On calibration of modern neural networks, arXiv 1706.04599). Only voxels near outlines count: most
of a head is background that no model doubts, and would hide how probabilities err where they
matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.calibration import CalibrationCounts, band
from napari_brainseg.core.segmentation.inference import sigmoid, uncertainty_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_brainseg.core.segmentation.calibration import Calibration

__all__ = ["NearOutlines", "Temperatures", "counts_at", "fit_temperature", "nll", "temperatures"]

LEAST, GREATEST = 0.2, 5.0
"""Temperatures that are tried."""
AT_LIMIT = 0.01
"""So near to the end of the search, as a share, a temperature is not a minimum."""
DECIMALS = 3
"""Of a temperature: a finer one changes no figure."""


@dataclass(frozen=True, eq=False)
class NearOutlines:
    """Voxels of a patient near the outlines of truth and of the mask from probability 0.5 on.

    That mask is the same at every temperature, so the voxels are.

    Parameters
    ----------
    logits : ndarray of float16, shape (voxels,)
        Before any temperature.
    lesion : ndarray of bool, shape (voxels,)
        Ground truth.
    """

    logits: NDArray[np.float16]
    lesion: NDArray[np.bool_]

    @classmethod
    def of(cls, logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> NearOutlines:
        """Pick them from logits and truth, both (Z, Y, X)."""
        near = band(logits >= 0, truth)
        return cls(logits[near].astype(np.float16), truth[near])


@dataclass(frozen=True)
class Temperatures:
    """Fitted temperatures.

    Parameters
    ----------
    overall : float
        To all patients.
    without : tuple of float
        To all patients but those of a group, by group.
    """

    overall: float
    without: tuple[float, ...]

    @property
    def at_limit(self) -> bool:
        """Whether one lies where the search ends."""
        return any(
            t < LEAST * (1 + AT_LIMIT) or t > GREATEST * (1 - AT_LIMIT)
            for t in (self.overall, *self.without)
        )


def temperatures(patients: Sequence[NearOutlines], groups: Sequence[int]) -> Temperatures:
    """Fit a temperature to all patients, and one without each group.

    Parameters
    ----------
    patients : sequence of NearOutlines
        Any may be empty.
    groups : sequence of int
        Of each patient, from 0 on; two at least.

    Raises
    ------
    DataError
        If there is no voxel to fit to.
    """
    without = tuple(
        fit_temperature([p for p, own in zip(patients, groups, strict=True) if own != group])
        for group in range(max(groups) + 1)
    )
    return Temperatures(fit_temperature(patients), without)


def fit_temperature(patients: Sequence[NearOutlines]) -> float:
    """Temperature between `LEAST` and `GREATEST` of the least negative log likelihood.

    Raises
    ------
    DataError
        If there is no voxel.
    """
    from scipy.optimize import minimize_scalar

    logits = np.concatenate([p.logits for p in patients]).astype(np.float32)
    lesion = np.concatenate([p.lesion for p in patients])
    if logits.size == 0:
        raise DataError(
            "No temperature can be fitted: neither truth nor masks have an outline.",
            "Calibrate with patients that have a lesion.",
        )
    found = minimize_scalar(
        lambda log: nll(logits, lesion, float(np.exp(log))),
        bounds=(np.log(LEAST), np.log(GREATEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return round(float(np.exp(found.x)), DECIMALS)


def nll(logits: NDArray[np.floating], lesion: NDArray[np.bool_], temperature: float) -> float:
    """Mean negative log likelihood (nats) of voxels; 0 of none."""
    if logits.size == 0:
        return 0.0
    scaled = logits.astype(np.float32) / np.float32(temperature)
    # of each voxel: log(1 + exp(-z)) where there is lesion, log(1 + exp(z)) where there is none
    away = np.where(lesion, -scaled, scaled)
    return float(np.logaddexp(0, away).mean(dtype=np.float64))


def counts_at(
    patients: Sequence[NearOutlines], temperature: Sequence[float]
) -> tuple[Calibration, float]:
    """Calibration of patients, each with a temperature of its own, and the likelihood.

    Parameters
    ----------
    patients : sequence of NearOutlines
        One voxel at least together.
    temperature : sequence of float
        Of each patient.

    Returns
    -------
    tuple of Calibration and float
        The second: mean negative log likelihood over all voxels, in nats.
    """
    counts, total, voxels = CalibrationCounts(), 0.0, 0
    for patient, own in zip(patients, temperature, strict=True):
        logits = patient.logits.astype(np.float32)
        probability = sigmoid(logits, own)
        counts += CalibrationCounts.near(
            probability, uncertainty_of(probability), logits >= 0, patient.lesion
        )
        total += nll(logits, patient.lesion, own) * logits.size
        voxels += logits.size
    calibration = counts.summary()
    assert calibration is not None
    return calibration, total / voxels
