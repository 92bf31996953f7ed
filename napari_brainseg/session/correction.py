"""The mask that a person paints on: every stroke durable, undo across restarts, live figures.

Thread-safety: all methods lock; signals are emitted in the calling thread, which is the thread
that painted. `data` itself is written by the painter without a lock, so `commit`, `undo` and
`redo` belong on the painting thread.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal

import numpy as np
from psygnal import Signal

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.history import Stroke, StrokeHistory
from napari_brainseg.session.meter import Meter, Overlap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Correction", "CorrectionBase"]

CorrectionBase = Literal["prediction", "truth", "empty"]
"""What a correction starts from."""

PAUSE_S = 60.0
"""Longer gaps between two strokes are pauses: only this much of them counts as editing time."""


class Correction:
    """A correction of one case. Made by `Case`, never directly by a view.

    Parameters
    ----------
    catalogue : Catalogue
        Where strokes are kept.
    correction_id : int
        Row of the correction in the catalogue.
    base : {"prediction", "truth", "empty"}
        What it started from.
    base_version : str or None
        Model version of the prediction it started from.
    base_mask : ndarray of uint8, shape (Z, Y, X)
        The starting mask; saved strokes are replayed on a copy of it.
    editor : str
        Who paints from now on.
    truth, prediction : ndarray of uint8, shape (Z, Y, X), or None
        Masks that the meter compares with.
    voxel_volume_ml : float or None
        Volume of a voxel in millilitres.

    Attributes
    ----------
    data : ndarray of uint8, shape (Z, Y, X)
        The mask as painted. The viewer writes into it in place; never replace it.
    """

    committed = Signal(Stroke)
    """A stroke is on disk."""
    undone = Signal(Stroke)
    """A stroke was taken back; `data` is already changed."""
    redone = Signal(Stroke)
    """A stroke was done again; `data` is already changed."""
    meter_changed = Signal(Meter)
    """The live figures changed."""

    def __init__(
        self,
        catalogue: Catalogue,
        correction_id: int,
        *,
        base: CorrectionBase,
        base_version: str | None,
        base_mask: NDArray[np.uint8],
        editor: str,
        truth: NDArray[np.uint8] | None = None,
        prediction: NDArray[np.uint8] | None = None,
        voxel_volume_ml: float | None = None,
    ) -> None:
        self.id = correction_id
        self.base = base
        self.base_version = base_version
        self.base_mask = base_mask
        self.base_mask.flags.writeable = False
        self.editor = editor
        self.data = np.ascontiguousarray(base_mask).copy()
        self._voxel_volume_ml = voxel_volume_ml
        self._lock = threading.RLock()
        self._history = StrokeHistory(catalogue, correction_id)
        self._history.replay(self.data)
        self._shadow = self.data.copy()
        self._seconds = self._history.seconds()
        self._active_at = time.monotonic()
        self._unsaved_seconds = 0.0
        self._from_base = Overlap(self.base_mask, self._shadow)
        self._from_truth = None if truth is None else Overlap(truth, self._shadow)
        self._from_prediction = None if prediction is None else Overlap(prediction, self._shadow)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X) in voxels."""
        z, y, x = self.data.shape
        return z, y, x

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would do something."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether `redo` would do something."""
        return self._history.can_redo

    @property
    def meter(self) -> Meter:
        """Figures of the strokes committed so far; costs microseconds."""
        with self._lock:
            volume = self._from_base.current_vox
            ml = self._voxel_volume_ml
            return Meter(
                dsc_truth=None if self._from_truth is None else self._from_truth.dsc,
                dsc_prediction=None if self._from_prediction is None else self._from_prediction.dsc,
                volume_vox=volume,
                volume_ml=None if ml is None else volume * ml,
                added_vox=self._from_base.added_vox,
                removed_vox=self._from_base.removed_vox,
                strokes=self._history.done,
                seconds=self._seconds,
            )

    @property
    def saved(self) -> NDArray[np.uint8]:
        """Copy of the mask as it is on disk, (Z, Y, X); unlike `data` never half a stroke."""
        with self._lock:
            return self._shadow.copy()

    def compare_with(self, prediction: NDArray[np.uint8]) -> None:
        """Set the prediction that the meter compares with, shape (Z, Y, X)."""
        with self._lock:
            self._from_prediction = Overlap(prediction, self._shadow)
        self.meter_changed.emit(self.meter)

    def commit(self) -> Stroke | None:
        """Make what was painted since the last commit durable, as one stroke.

        Returns
        -------
        Stroke or None
            The stroke, which is on disk when this returns; `None` if nothing changed.

        Raises
        ------
        DataError
            If it could not be saved. The paint stays in `data`, and the next commit tries again.
        """
        with self._lock:
            stroke = self._difference()
            if stroke is None:
                return None
            self._history.record(stroke, self.editor)
            self._seconds += stroke.seconds
            self._unsaved_seconds = 0.0
            self._settle(stroke.indices, stroke.before, stroke.after)
        self.committed.emit(stroke)
        self.meter_changed.emit(self.meter)
        return stroke

    def undo(self) -> Stroke | None:
        """Take the last stroke back, in `data` and on disk.

        Paint that was not committed yet is committed first, so it is the stroke that goes.

        Returns
        -------
        Stroke or None
            The stroke taken back, so that the viewer can show its slice; `None` at the start.
        """
        with self._lock:
            self.commit()
            stroke = self._history.undo()
            if stroke is None:
                return None
            self._write(stroke.indices, stroke.after, stroke.before)
        self.undone.emit(stroke)
        self.meter_changed.emit(self.meter)
        return stroke

    def redo(self) -> Stroke | None:
        """Do the stroke undone last again, in `data` and on disk.

        Returns
        -------
        Stroke or None
            The stroke; `None` if none was undone, or if something was painted since.
        """
        with self._lock:
            if self.commit() is not None:
                return None
            stroke = self._history.redo()
            if stroke is None:
                return None
            self._write(stroke.indices, stroke.before, stroke.after)
        self.redone.emit(stroke)
        self.meter_changed.emit(self.meter)
        return stroke

    def _difference(self) -> Stroke | None:
        flat, shadow = self.data.reshape(-1), self._shadow.reshape(-1)
        indices = np.flatnonzero(flat != shadow)
        if indices.size == 0:
            return None
        # Other label values than 1 mean lesion too; the layer has one label only.
        flat[indices] = flat[indices] != 0
        indices = indices[flat[indices] != shadow[indices]]
        if indices.size == 0:
            return None
        self._tick()
        by_slice = np.bincount(indices // (self.data.shape[1] * self.data.shape[2]))
        return Stroke(
            number=self._history.next_number,
            slice_index=int(by_slice.argmax()),
            indices=indices,
            before=shadow[indices],
            after=flat[indices],
            seconds=self._unsaved_seconds,
        )

    def _write(
        self, indices: NDArray[np.int64], before: NDArray[np.uint8], after: NDArray[np.uint8]
    ) -> None:
        self.data.reshape(-1)[indices] = after
        self._tick()
        self._settle(indices, before, after)

    def _settle(
        self, indices: NDArray[np.int64], before: NDArray[np.uint8], after: NDArray[np.uint8]
    ) -> None:
        self._shadow.reshape(-1)[indices] = after
        for overlap in (self._from_base, self._from_truth, self._from_prediction):
            if overlap is not None:
                overlap.apply(indices, before, after)

    def _tick(self) -> None:
        now = time.monotonic()
        self._unsaved_seconds += min(now - self._active_at, PAUSE_S)
        self._active_at = now


def check_mask(mask: NDArray[np.uint8], shape: tuple[int, int, int], what: str) -> None:
    """Raise `DataError` if a mask does not lie on the grid of the case."""
    if mask.shape != shape:
        raise DataError(
            f"The {what} has shape {mask.shape}, the image {shape} (z, y, x).",
            "Predict this patient again.",
        )
