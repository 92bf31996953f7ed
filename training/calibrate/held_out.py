"""Logits of patients by the model that has not seen them, predicted once and kept on disk."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.calibration import BAND_VOX
from napari_brainseg.core.segmentation.inference import Progress
from napari_brainseg.core.segmentation.predictor import Predictor
from training.sources import FolderSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study
    from training.calibrate.folds import Fold

__all__ = ["HeldOut", "Kept", "predict_folds"]

SURE_LOGIT = -8.0
"""No temperature that is tried lifts a voxel below it to a threshold that is tried."""
LIMIT = 16.0
"""Of a logit: float32 probabilities say no more."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One patient, cut in-plane to where there is lesion in truth or perhaps in a mask.

    Parameters
    ----------
    patient : str
        Name.
    logits : ndarray of float32, shape (Z, Y', X')
        Before any temperature, on the input grid; every slice is there.
    truth : ndarray of bool, shape (Z, Y', X')
        Ground truth.
    mirrored : ndarray of float32, shape (Z, Y', X'), or None
        Logits with test-time augmentation.
    """

    patient: str
    logits: NDArray[np.float32]
    truth: NDArray[np.bool_]
    mirrored: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A patient's file.

    Parameters
    ----------
    patient : str
        Name.
    path : Path
        A NumPy archive.
    """

    patient: str
    path: Path

    def load(self) -> HeldOut:
        """Read it."""
        with np.load(self.path) as file:
            logits, *mirrored = file["views"].astype(np.float32)
            truth = np.unpackbits(file["truth"], count=logits.size).reshape(logits.shape)
        return HeldOut(self.patient, logits, truth.astype(bool), *(mirrored or [None]))

    def is_current(self, stamp: str, *, tta: bool) -> bool:
        """Whether it is there, whole, and made from the files as they are now."""
        try:
            with np.load(self.path) as file:
                return str(file["stamp"]) == stamp and len(file["views"]) >= 1 + tta
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return False


def predict_folds(
    folds: Sequence[Fold],
    cache: Path,
    *,
    tta: bool,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> list[Kept]:
    """Predict each held-out patient with its fold's model; what is in the cache is not done again.

    Memory holds one patient. On disk a patient takes a few megabytes.

    Parameters
    ----------
    folds : sequence of Fold
        As `read_folds` gives them.
    cache : Path
        Folder; made where missing.
    tta : bool
        With test-time augmentation too; three times the time.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    progress : callable, optional
        Called before each patient, and once at the end.

    Returns
    -------
    list of Kept
        In the order of the folds and their patients.

    Raises
    ------
    DataError
        If a patient cannot be read, or the cache cannot be written.
    ModelError
        If a model or the device cannot be used.
    """
    total, done = sum(len(fold.patients) for fold in folds), 0
    kept: list[Kept] = []
    for fold in folds:
        places = [
            Kept(folder.patient, cache / fold.bundle.version / f"{folder.patient}.npz")
            for folder in fold.patients
        ]
        kept += places
        stamps = [FolderSource(folder).stamp() for folder in fold.patients]
        missing = [
            item
            for item in zip(fold.patients, places, stamps, strict=True)
            if not item[1].is_current(item[2], tta=tta)
        ]
        done += len(places) - len(missing)
        if not missing:
            continue
        with Predictor(fold.bundle, device) as predictor:
            for folder, place, stamp in missing:
                if progress is not None:
                    progress(Progress(f"{fold.name}: {folder.patient}", done, total))
                write_atomically(place.path, _predicted(folder, stamp, predictor, tta=tta))
                done += 1
    if progress is not None:
        progress(Progress("Predicted", total, total))
    return kept


def _predicted(folder: StudyFolder, stamp: str, predictor: Predictor, *, tta: bool) -> bytes:
    study = load_study(folder)
    if study.truth is None:
        raise DataError(f"{folder.patient} has no masks.", "Measure patients with masks.")
    truth = study.truth.data != 0
    views = [_logits(predictor, study, tta=mirrored) for mirrored in (False, True)[: 1 + tta]]
    box = _box(np.logical_or.reduce([truth, *(v > SURE_LOGIT for v in views)]).any(axis=0))
    file = io.BytesIO()
    np.savez(
        file,
        stamp=np.array(stamp),
        truth=np.packbits(truth[:, *box]),
        views=np.stack([view[:, *box].astype(np.float16) for view in views]),
    )
    return file.getvalue()


def _logits(predictor: Predictor, study: Study, *, tta: bool) -> NDArray[np.float32]:
    """Logits on the input grid; from the probability there, which is what masks are made of."""
    from scipy.special import logit

    probability = predictor.predict(study, tta=tta).probability
    logits: NDArray[np.float32] = logit(probability) * predictor.bundle.manifest.temperature
    return np.clip(logits, -LIMIT, LIMIT)


def _box(wanted: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Smallest box in-plane with the band around outlines in it; one pixel where nothing is."""
    margin = int(BAND_VOX)
    rows, columns = (np.flatnonzero(wanted.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return slice(0, 1), slice(0, 1)
    y, x = (slice(max(0, int(hit[0]) - margin), int(hit[-1]) + margin + 1)
            for hit in (rows, columns))  # fmt: skip
    return y, x
