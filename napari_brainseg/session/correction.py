"""The mask that a person paints on: every stroke durable, undo across restarts, live figures.

Thread-safety: all methods lock; signals are emitted in the calling thread, which is the thread
that painted, or in the one that saves after a failure. `data` itself is written by the painter
without a lock, so `commit`, `apply`, `undo`, `redo` and `go_to` belong on the painting thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

import numpy as np
from psygnal import EmitLoopError, Signal

from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session.history import Stroke, StrokeHistory, StrokeRecord
from napari_brainseg.session.idle_clock import IdleClock
from napari_brainseg.session.live_meter import LiveMeter
from napari_brainseg.session.meter import Meter
from napari_brainseg.session.stroke import Parameters, VoxelEdit
from napari_brainseg.session.stroke_path import net_stroke, unsaved_edits
from napari_brainseg.session.stroke_saving import Outcome, StrokeSaver
from napari_brainseg.session.voxels import changed_voxels, checked_place, fullest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from psygnal import SignalInstance

    from napari_brainseg.core.editing import Edit
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.history_journal import Right

__all__ = ["Correction", "CorrectionBase"]

CorrectionBase = Literal["prediction", "truth", "empty"]
"""What a correction starts from."""


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
    spacing_mm : tuple of float or None
        Of voxels along z, y and x; the meter's distances are in voxels without it.
    right : Right, optional
        Asked within every transaction whether this window may write, see `write_right`.

    Attributes
    ----------
    data : ndarray of uint8, shape (Z, Y, X)
        The mask as painted. The viewer writes into it in place; never replace it.
    """

    committed = Signal(Stroke)
    """A stroke is in the history; on disk as well, unless `unsaved` says otherwise."""
    undone = Signal(Stroke)
    """A stroke was taken back, or the net change of several; `data` is already changed."""
    redone = Signal(Stroke)
    """A stroke was done again, or the net change of several; `data` is already changed."""
    history_changed = Signal()
    """`actions()`, the states in it or `unsaved` changed."""
    saving_failed = Signal(BrainSegError)
    """The disk does not take what was done. Nothing is lost: it is tried again, see `unsaved`."""
    saved_again = Signal()
    """All that was unsaved is on disk. May be emitted in a thread that saves."""
    meter_changed = Signal(Meter)
    """The live figures changed, or the distances caught up: then in the thread that measured."""

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
        spacing_mm: tuple[float, float, float] | None = None,
        right: Right | None = None,
    ) -> None:
        self.id = correction_id
        self.base = base
        self.base_version = base_version
        self.base_mask = base_mask
        self.base_mask.flags.writeable = False
        self.editor = editor
        self.data = np.ascontiguousarray(base_mask).copy()
        self._lock = threading.RLock()
        self._telling = threading.RLock()
        self._history = StrokeHistory(catalogue, correction_id, right)
        self._history.replay(self.data)
        self._shadow = self.data.copy()
        self._saver = StrokeSaver(self._history, self._tell_saved)
        self._clock = IdleClock()
        self._meter = LiveMeter(
            self.base_mask,
            self._shadow,
            truth=truth,
            prediction=prediction,
            spacing_mm=spacing_mm,
            voxel_volume_ml=voxel_volume_ml,
        )
        self._meter.changed.connect(self._tell_meter)

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
            return self._meter.read(strokes=self._history.done, seconds=self._history.seconds)

    @property
    def saved(self) -> NDArray[np.uint8]:
        """Copy of the mask after the last action, (Z, Y, X); unlike `data` never half a stroke."""
        with self._lock:
            return self._shadow.copy()

    def compare_with(self, prediction: NDArray[np.uint8]) -> None:
        """Set the prediction that the meter compares with, shape (Z, Y, X)."""
        with self._lock:
            self._meter.compare_with(prediction, self._shadow)
        self._tell_meter()

    @property
    def unsaved(self) -> int:
        """Strokes that are in memory only, or not on disk as they are here."""
        return self._history.unsaved

    @property
    def is_lost(self) -> bool:
        """Whether what is unsaved cannot be saved any more: another window has the case."""
        return self._history.refused

    def actions(self) -> tuple[StrokeRecord, ...]:
        """All strokes of this correction, oldest first; kept in memory."""
        return self._history.actions()

    def commit(self, tool: str = "other", parameters: Parameters | None = None) -> Stroke | None:
        """Make what was painted since the last commit durable, as one stroke.

        Parameters
        ----------
        tool : str
            What it was painted with, see `core.editing.Tool`.
        parameters : mapping, optional
            How the tool was set; JSON can hold it.

        Returns
        -------
        Stroke or None
            The stroke, which is on disk when this returns; `None` if nothing changed.

        Raises
        ------
        DataError
            If something is not on disk, this stroke or one before. It is in the history all the
            same, and every later act, `retry` and a thread try to save it.
        """
        with self._lock:
            stroke = self._enter(tool, parameters or {})
            outcome = self._saver.save()
            self._count(stroke)
        self._tell(self.committed, stroke, outcome)
        if outcome.error is not None:
            raise outcome.error
        return stroke

    def apply(
        self, edit: Edit | VoxelEdit, tool: str, parameters: Parameters | None = None
    ) -> Stroke | None:
        """Make the change of a tool, as one stroke.

        Paint that was not committed yet is committed first, as a stroke of its own.

        Parameters
        ----------
        edit : Edit or VoxelEdit
            The change; written into `data` in place.
        tool, parameters
            As for `commit`.

        Returns
        -------
        Stroke or None
            As `commit`.

        Raises
        ------
        DataError
            If the edit reaches beyond the volume: then nothing is changed. Or as `commit`.
        """
        place = checked_place(edit, self.data.shape)
        self._commit_first()
        with self._lock:
            if isinstance(edit, VoxelEdit):
                self.data.reshape(-1)[edit.indices] = edit.values != 0
            else:
                self.data[place] = edit.values != 0
        return self.commit(tool, parameters)

    def undo(self) -> Stroke | None:
        """Take the last stroke back, in `data` and on disk.

        Paint that was not committed yet is committed first, so it is the stroke that goes. A disk
        that cannot be written does not hinder it (`saving_failed` tells).

        Returns
        -------
        Stroke or None
            The stroke taken back, so that the viewer can show its slice; `None` at the start.

        Raises
        ------
        DataError
            If the stroke cannot be read.
        """
        self._commit_first()
        return self._travel(self._history.path(0)[:1])

    def redo(self) -> Stroke | None:
        """Do the stroke undone last again, in `data` and on disk; see `undo`.

        Returns
        -------
        Stroke or None
            The stroke; `None` if none was undone, or if something was painted since.
        """
        if self._commit_first() is not None:
            return None
        return self._travel(self._history.path_onwards()[:1])

    def go_to(self, number: int) -> Stroke | None:
        """Make an action the last one in force, in one transaction; see `undo`.

        Parameters
        ----------
        number : int
            Of an action that is in force or can be done again; 0 for the start.

        Returns
        -------
        Stroke or None
            The net change, which may have no voxels; `None` if the action is the last one already.

        Raises
        ------
        DataError
            If there is no such action, or it cannot be read.
        """
        self._commit_first()
        return self._travel(self._history.path(number))

    def retry(self) -> None:
        """Try to save what is unsaved; `saved_again` or `saving_failed` tells how it went."""
        outcome = self._saver.retry()
        if outcome.error is not None:
            self.saving_failed.emit(outcome.error)
        elif outcome.recovered:
            self._tell_saved(outcome)

    def unsaved_edits(self) -> tuple[tuple[VoxelEdit, str, Parameters], ...]:
        """Return what is unsaved, as changes to apply to the correction as another window left it.

        Returns
        -------
        tuple of (VoxelEdit, str, mapping)
            Change, tool and parameters, oldest first.
        """
        with self._lock:
            return unsaved_edits(self._history, self._shadow)

    def close(self, *, keep_unsaved: bool = True) -> None:
        """Stop saving in the background, after a last try.

        Strokes that cannot come into force any more, as another window has the case, are kept in
        the catalogue as discarded.

        Parameters
        ----------
        keep_unsaved : bool
            False if what is unsaved was applied elsewhere.

        Raises
        ------
        DataError
            If something unsaved is lost.
        """
        self._saver.close()
        self._meter.close()
        with self._lock:
            if not keep_unsaved:
                self._history.forget_unsaved()
                return
            try:
                self._history.save()
            except DataError:
                if not self._history.refused:
                    raise
                self._history.set_aside()

    def _commit_first(self) -> Stroke | None:
        """Commit paint; a failure was told by `saving_failed` and does not hinder what follows."""
        with self._lock:
            stroke = self._enter("other", {})
            outcome = Outcome() if stroke is None else self._saver.save()
            self._count(stroke)
        self._tell(self.committed, stroke, outcome)
        return stroke

    def _enter(self, tool: str, parameters: Parameters) -> Stroke | None:
        """Put what was painted into the history, in memory."""
        data, shadow = self.data.reshape(-1), self._shadow.reshape(-1)
        indices = changed_voxels(data, shadow)
        if indices.size == 0:
            return None
        self._clock.tick()
        first, most, last = fullest(indices, self.shape)
        stroke = Stroke(
            number=self._history.next_number,
            slice_index=most,
            indices=indices,
            before=shadow[indices],
            after=data[indices],
            seconds=self._clock.take(),
            tool=str(tool),
            parameters=parameters,
            first_slice=first,
            last_slice=last,
        )
        self._history.record(stroke, self.editor)
        shadow[indices] = stroke.after
        return stroke

    def _count(self, stroke: Stroke | None) -> None:
        # After saving: the thread that measures distances would compete with it.
        if stroke is not None:
            self._meter.apply(stroke.indices, stroke.before, stroke.after)

    def _travel(self, numbers: tuple[int, ...]) -> Stroke | None:
        """Take strokes back, latest first, or do them again, oldest first."""
        if not numbers:
            return None
        with self._lock:
            backwards = numbers[0] == self._history.at
            stroke = net_stroke(self._history, numbers, self._shadow, backwards=backwards)
            self._history.move(numbers)
            old, new = stroke.before, stroke.after
            if backwards:
                old, new = new, old
            self.data.reshape(-1)[stroke.indices] = new
            self._shadow.reshape(-1)[stroke.indices] = new
            self._clock.tick()
            outcome = self._saver.save()
            self._meter.apply(stroke.indices, old, new)
        self._tell(self.undone if backwards else self.redone, stroke, outcome)
        return stroke

    def _tell(self, signal: SignalInstance, stroke: Stroke | None, outcome: Outcome) -> None:
        if stroke is not None:
            signal.emit(stroke)
            self.history_changed.emit()
            self._tell_meter()
        self._tell_saved(outcome)

    def _tell_saved(self, outcome: Outcome) -> None:
        if outcome.error is not None and outcome.is_new:
            self.saving_failed.emit(outcome.error)
        if outcome.recovered:
            self.saved_again.emit()
            self.history_changed.emit()

    def _tell_meter(self) -> None:
        # Two threads tell of it; the figures told last must be the latest.
        with self._telling:
            try:
                self.meter_changed.emit(self.meter)
            except EmitLoopError as error:
                # Who listened went while the thread that measures was about to tell.
                if not isinstance(error.__cause__, ReferenceError):
                    raise


def check_mask(mask: NDArray[np.uint8], shape: tuple[int, int, int], what: str) -> None:
    """Raise `DataError` if a mask does not lie on the grid of the case."""
    if mask.shape != shape:
        raise DataError(
            f"The {what} has shape {mask.shape}, the image {shape} (z, y, x).",
            "Predict this patient again.",
        )
