"""One patient's study under review: image, prediction, correction, and how far the work is.

Thread-safety: methods lock; signals are emitted in the calling thread, which may be a worker.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, DataError, Study
from napari_brainseg.session.case_log import (
    CaseRecord,
    CaseStatus,
    SavedCorrection,
    active_correction,
    add_correction,
    case_records,
    corrected_as,
    has_correction_elsewhere,
    register_case,
    set_aside,
    set_status,
    status_since,
)
from napari_brainseg.session.case_sharing import CaseSharing
from napari_brainseg.session.correction import Correction, CorrectionBase, check_mask
from napari_brainseg.session.correction_base import base_mask
from napari_brainseg.session.followed_correction import FollowedCorrection
from napari_brainseg.session.meter import Meter
from napari_brainseg.session.readers import is_same_reader
from napari_brainseg.session.review_log import (
    Decision,
    ReviewAct,
    ReviewRecord,
    decide,
    second_reading,
)
from napari_brainseg.session.write_right import TakenOverError, WriteRight

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from psygnal import SignalInstance

    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.disk_watch import SourceChange, SourceFiles

__all__ = ["Case", "CaseRecord", "CaseStatus", "case_records"]

_log = logging.getLogger(__name__)
_SIGNED_OFF = (CaseStatus.APPROVED, CaseStatus.REJECTED)


class Case:
    """A study under review. A correction saved earlier is loaded at once.

    Parameters
    ----------
    study : Study
        The patient.
    catalogue : Catalogue
        Where the work is kept.
    image_sha256 : str, optional
        Content hash of the image; computed if left out.
    blind : bool
        Withhold predictions until the first contour is drawn.
    window : str, optional
        Which window the case is open in, see `WriteRight`.
    editor : str, optional
        Who sits there.

    Attributes
    ----------
    right : WriteRight
        Whether this window may paint.
    notes : tuple of str
        What the person should know, the reader's warnings included.
    sources : SourceFiles or None
        The files it was read from, if they are watched.
    """

    prediction_changed = Signal(object)
    """A `Prediction` for this case is there, and may be shown."""
    correction_started = Signal(Correction)
    """There is a correction to paint on, or to look at, in place of the one before."""
    correction_discarded = Signal()
    """The correction was set aside."""
    corrected = Signal(Meter)
    """A stroke was made, undone or redone, or the prediction to compare with changed."""
    status_changed = Signal(str)
    """The new `CaseStatus`."""
    write_right_changed = Signal(object)
    """Why the case is read-only from now on, in words; `None`: it may be painted on."""
    out_of_step = Signal()
    """Another window did something that must be read: `follow` is called for, by a worker."""

    sources_changed = Signal(object)
    """`SourceChange`: another program changed files of the patient; `None`: no longer so."""

    def __init__(
        self,
        study: Study,
        catalogue: Catalogue,
        *,
        image_sha256: str | None = None,
        blind: bool = False,
        window: str | None = None,
        editor: str | None = None,
    ) -> None:
        if image_sha256 is None:
            from napari_brainseg.core.dataset.hashing import image_sha256 as hash_image

            image_sha256 = hash_image(study)
        self.study = study
        self.image_sha256 = image_sha256
        self._catalogue = catalogue
        self._lock = threading.RLock()
        self._prediction: Prediction | None = None
        self._correction: Correction | None = None
        self._is_blind = False
        self.id, self._status = register_case(catalogue, study, image_sha256)
        self.right = WriteRight(catalogue, self.id, window=window)
        self._sharing = CaseSharing(self, catalogue, self.right)
        self.sources: SourceFiles | None = None
        self._source_change: SourceChange | None = None
        self.notes = study.warnings
        if has_correction_elsewhere(catalogue, self.id, study.patient):
            self.notes += (
                f"A saved correction of {study.patient} belongs to an image with other voxels "
                "and is not shown. The former files or series bring it back.",
            )
        if (other := corrected_as(catalogue, image_sha256, study.patient)) is not None:
            self.notes += (
                f"The same images were corrected as {other}. Give the files their former name to "
                "go on with that correction.",
            )
        with catalogue.reading_work():
            saved = active_correction(catalogue, self.id, self.shape)
        if saved is not None:
            self._sharing.begin(editor or saved.editor)
            # Read again: the window that had it may have painted until now.
            self._tie(self.read_again(self._sharing.words))
            self._catch_up_status()
        drawn = self._correction is not None and self._correction.meter.strokes > 0
        self._is_blind = blind and not drawn and self._status not in _SIGNED_OFF

    def __repr__(self) -> str:
        return f"Case({self.patient!r}, {self.status.value!r})"

    @property
    def patient(self) -> str:
        """Name of the patient."""
        return self.study.patient

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X) in voxels."""
        return self.study.image.grid_shape

    @property
    def status(self) -> CaseStatus:
        """How far the work is."""
        return self._status

    @property
    def prediction(self) -> Prediction | None:
        """The latest prediction; `None` as long as the case is read blind."""
        return None if self._is_blind else self._prediction

    @property
    def is_blind(self) -> bool:
        """Whether predictions are withheld, so that they do not lead the reader's hand.

        They show with the first stroke, or when the case is signed off.
        """
        return self._is_blind

    @property
    def correction(self) -> Correction | None:
        """The mask being corrected, `None` before it is started."""
        return self._correction

    @property
    def read_only(self) -> str | None:
        """Why strokes cannot be made here, e.g. ``Ada is correcting this case in another window``.

        `None` if they can. Costs nothing; `write_right_changed` tells of a change.
        """
        return self._sharing.words

    @property
    def is_held(self) -> bool:
        """Whether a window that runs corrects the case; False if nobody does any more."""
        return self._sharing.is_held

    @property
    def kept_strokes(self) -> int:
        """Strokes made here that were not saved, as the case was taken over; in memory.

        `take_over` lays them on top.
        """
        return self._sharing.kept

    def take_over(self, editor: str | None = None) -> None:
        """Correct here what another window corrects now; that one becomes read-only.

        What this window could not save before is laid on top, as actions of their own. Writes to
        the disk and reads the correction: not for the GUI thread.

        Parameters
        ----------
        editor : str, optional
            Who takes it over.

        Raises
        ------
        DataError
            If the catalogue cannot be used.
        """
        self._sharing.take_over(editor)

    def follow(self) -> None:
        """Take in what other windows did to the case; a worker calls it every second or two.

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        self._sharing.follow()

    @property
    def source_change(self) -> SourceChange | None:
        """Files of the patient that another program changed since they were read."""
        return self._source_change

    def note_sources(self, change: SourceChange | None) -> None:
        """Take in what the watch over the files found."""
        self._source_change = change
        self.sources_changed.emit(change)

    @property
    def truth(self) -> NDArray[np.uint8] | None:
        """Ground truth, read-only, (Z, Y, X)."""
        return None if self.study.truth is None else self.study.truth.data

    def set_prediction(self, prediction: Prediction) -> None:
        """Take a prediction; an existing correction is left as it is.

        Raises
        ------
        DataError
            If it was made for another patient or grid.
        """
        if prediction.patient != self.patient:
            raise DataError(
                f"The prediction is for {prediction.patient}, the open case is {self.patient}.",
                "Predict this patient again.",
            )
        check_mask(prediction.mask, self.shape, "prediction")
        with self._lock:
            self._prediction = prediction
            if self._is_blind:
                return
        self._announce(prediction)

    def _announce(self, prediction: Prediction) -> None:
        self.prediction_changed.emit(prediction)
        if self._correction is not None:
            self._correction.compare_with(prediction.mask)

    def _see(self) -> None:
        """Show what was withheld."""
        with self._lock:
            was_blind, self._is_blind = self._is_blind, False
            prediction = self._prediction
        if was_blind and prediction is not None:
            self._announce(prediction)

    def start_correction(self, base: CorrectionBase, editor: str) -> Correction:
        """Return the correction of this case; a saved one wins, otherwise start a new one.

        Parameters
        ----------
        base : {"prediction", "truth", "empty"}
            What a new correction starts from.
        editor : str
            Who corrects.

        Raises
        ------
        TakenOverError
            If another window corrects the case.
        DataError
            If the base is not at hand, or the editor is not named.
        """
        if not editor.strip():
            raise DataError("Nobody is named as editor.", "Give your name or your initials first.")
        name = editor.strip()
        if self._correction is None:
            mask, version = base_mask(self, base)
            # Not under the lock: another window may have started one, which is then taken in.
            self._sharing.start(name)
        self._sharing.require()
        with self._lock:
            if self._correction is not None:
                self._correction.editor = name
                return self._correction
            row = add_correction(self._catalogue, self.id, base, version, mask, name)
            self._status = CaseStatus.IN_PROGRESS
            correction = self._adopt(SavedCorrection(row, base, version, mask, name))
        self.status_changed.emit(self._status.value)
        self.correction_started.emit(correction)
        return correction

    def discard_correction(self) -> None:
        """Set the correction aside, so that a new one can be started from another base.

        It stays in the catalogue for the audit trail.
        """
        self._sharing.require()
        with self._lock:
            discarded = self._correction
            if discarded is None:
                return
            set_aside(self._catalogue, self.id, discarded.id)
            self._correction = None
            self._status = CaseStatus.NEW
        # Not under the lock: a signal that is being emitted elsewhere holds its own.
        self._untie(discarded)
        discarded.close()

    def mark(self, status: CaseStatus) -> None:
        """Set how far the work is."""
        with self._lock:
            if status is self._status:
                return
            set_status(self._catalogue, self.id, status)
            self._status = status
        self._tell_status(status)

    def close(self) -> None:
        """Let go of the correction, after a last try to save what is unsaved.

        Raises
        ------
        DataError
            If something unsaved is lost.
        """
        self._sharing.close()

    def decide(self, decision: Decision) -> ReviewRecord:
        """Keep what a person decided, and the status that follows from it.

        Raises
        ------
        DataError
            If the first reader approves in place of the second, or it cannot be kept.
        """
        with self._lock:
            record, status = decide(self._catalogue, self.id, decision)
            self._status = status
        self._tell_status(status)
        return record

    def _tell_status(self, status: CaseStatus) -> None:
        self.status_changed.emit(status.value)
        if status in _SIGNED_OFF:
            self._see()

    def _adopt(self, saved: SavedCorrection) -> Correction:
        correction = self._made(saved, None)
        self._tie(correction)
        return correction

    def _made(self, saved: SavedCorrection, read_only: str | None) -> Correction:
        prediction = saved.base_mask if saved.base == "prediction" else None
        if self.prediction is not None:
            prediction = self.prediction.mask
        options: dict[str, Any] = {
            "base": saved.base,
            "base_version": saved.base_version,
            "base_mask": saved.base_mask,
            "editor": saved.editor,
            "truth": self.truth,
            "prediction": prediction,
            "voxel_volume_ml": self.study.image.geometry.voxel_volume_ml,
            "spacing_mm": self.study.image.geometry.spacing_mm,
        }
        if read_only is not None:
            return FollowedCorrection(self._catalogue, saved.id, why=read_only, **options)
        return Correction(self._catalogue, saved.id, right=self.right.ticket(), **options)

    def _tie(self, correction: Correction | None) -> None:
        if correction is not None:
            for signal, slot in self._ties_of(correction):
                signal.connect(slot)
        self._correction = correction

    def _untie(self, correction: Correction) -> None:
        for signal, slot in self._ties_of(correction):
            signal.disconnect(slot)

    def _ties_of(
        self, correction: Correction
    ) -> tuple[tuple[SignalInstance, Callable[..., None]], ...]:
        return (
            (correction.meter_changed, self._on_meter),
            (correction.committed, self._on_stroke),
            (correction.undone, self._on_stroke),
            (correction.redone, self._on_stroke),
            (correction.saved_again, self._on_stroke),
            (correction.saving_failed, self._on_saving_failed),
        )

    # what the sharing asks for ----------------------------------------------------------------

    def read_again(self, read_only: str | None) -> Correction | None:
        """Read the correction from the catalogue; to be looked at if `read_only` says why."""
        with self._catalogue.reading_work():
            saved = active_correction(self._catalogue, self.id, self.shape)
            if saved is None:
                return None
            if self._correction is not None and not read_only:
                saved = replace(saved, editor=self._correction.editor)
            return self._made(saved, read_only)

    def replace_correction(self, correction: Correction | None) -> None:
        """Use another correction from now on, and tell; the status may have changed elsewhere."""
        _, status = register_case(self._catalogue, self.study, self.image_sha256)
        with self._lock:
            before = self._correction
            self._tie(correction)
            moved = self._status is not status
            self._status = status
        if before is not None:
            self._untie(before)
        if moved:
            self._tell_status(status)
        if correction is not None:
            self.correction_started.emit(correction)
            self.corrected.emit(correction.meter)
            if correction.meter.strokes:
                self._see()
        elif before is not None:
            self.correction_discarded.emit()

    def note_strokes(self) -> None:
        """Draw the conclusions of a stroke."""
        self._on_stroke()

    def tell_right(self, words: str | None) -> None:
        """Say that the case is read-only, and why, or that it may be painted on."""
        self.write_right_changed.emit(words)

    def _on_meter(self, meter: Meter) -> None:
        self.corrected.emit(meter)

    def _on_saving_failed(self, error: BrainSegError) -> None:
        if isinstance(error, TakenOverError):
            self.out_of_step.emit()

    def _on_stroke(self) -> None:
        correction = self._correction
        if correction is None or correction.unsaved == 0:
            try:
                self._note_painting(correction)
            except BrainSegError:
                # The stroke itself is saved; the next one, or what saves it, tries again.
                _log.warning("The status of %s was not saved", self.patient, exc_info=True)
        self._see()

    def _note_painting(self, correction: Correction | None) -> None:
        editor = "" if correction is None else correction.editor
        if correction is not None and self._status in _SIGNED_OFF:
            # A case that is painted on is no longer what was signed off.
            self.decide(Decision(ReviewAct.REOPEN, editor, "Painted on.", correction.id))
        elif not self._has_asked(editor):
            # Who asked for a second reader may go on painting: the request stands.
            self.mark(CaseStatus.CORRECTED)

    def _catch_up_status(self) -> None:
        """Draw the conclusion of a last stroke whose window was killed before it could."""
        correction = self._correction
        if correction is None or self.read_only is not None:
            return
        last = max((a.created for a in correction.actions() if a.state == "done"), default=0.0)
        if last > status_since(self._catalogue, self.id):
            self._note_painting(correction)

    def _has_asked(self, editor: str) -> bool:
        if self._status is not CaseStatus.SECOND_READER:
            return False
        request = second_reading(self._catalogue, self.id)
        return request is not None and is_same_reader(request.asked_by, editor)
