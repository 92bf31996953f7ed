"""One patient's study under review: image, prediction, correction, and how far the work is.

Thread-safety: methods lock; signals are emitted in the calling thread, which may be a worker.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal
from sqlalchemy import insert, select, update

from napari_brainseg.core.imaging import DataError, Study
from napari_brainseg.session import tables
from napari_brainseg.session.correction import Correction, CorrectionBase, check_mask
from napari_brainseg.session.deltas import pack_bits, unpack_bits
from napari_brainseg.session.meter import Meter

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Case", "CaseRecord", "CaseStatus", "case_records"]


class CaseStatus(StrEnum):
    """How far the work on a case is; every status can be reopened."""

    NEW = "new"
    IN_PROGRESS = "in progress"
    CORRECTED = "corrected"
    APPROVED = "approved"
    """Signed off into the training set."""


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A case as the catalogue lists it."""

    patient: str
    image_sha256: str
    path: str | None
    status: CaseStatus
    updated: float
    """Unix time in seconds."""


def case_records(catalogue: Catalogue) -> tuple[CaseRecord, ...]:
    """All known cases, the latest first."""
    with catalogue.read() as connection:
        rows = connection.execute(
            select(tables.cases).order_by(tables.cases.c.updated.desc())
        ).all()
    return tuple(
        CaseRecord(row.patient, row.image_sha256, row.path, CaseStatus(row.status), row.updated)
        for row in rows
    )


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

    Attributes
    ----------
    notes : tuple of str
        What the person should know, the reader's warnings included.
    """

    prediction_changed = Signal(object)
    """A `Prediction` for this case is there."""
    correction_started = Signal(Correction)
    """There is a correction to paint on."""
    correction_discarded = Signal()
    """The correction was set aside."""
    corrected = Signal(Meter)
    """A stroke was made, undone or redone, or the prediction to compare with changed."""
    status_changed = Signal(str)
    """The new `CaseStatus`."""

    def __init__(
        self, study: Study, catalogue: Catalogue, *, image_sha256: str | None = None
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
        with catalogue.write() as connection:
            self.id, self._status = self._register(connection)
            elsewhere = self._corrected_elsewhere(connection)
        self.notes = (*study.warnings, *elsewhere)
        self._load_correction()

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
        """The latest prediction of this session."""
        return self._prediction

    @property
    def correction(self) -> Correction | None:
        """The mask being corrected, `None` before it is started."""
        return self._correction

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
            correction = self._correction
        self.prediction_changed.emit(prediction)
        if correction is not None:
            correction.compare_with(prediction.mask)

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
        DataError
            If the base is not at hand, or the editor is not named.
        """
        if not editor.strip():
            raise DataError("Nobody is named as editor.", "Give your name or your initials first.")
        with self._lock:
            if self._correction is not None:
                self._correction.editor = editor.strip()
                return self._correction
            mask, version = self._base_mask(base)
            now = time.time()
            with self._catalogue.write() as connection:
                row = connection.execute(
                    insert(tables.corrections).values(
                        case_id=self.id,
                        base=base,
                        base_version=version,
                        shape="x".join(map(str, self.shape)),
                        base_mask=pack_bits(mask),
                        editor=editor.strip(),
                        created=now,
                        active=True,
                    )
                )
                self._write_status(connection, CaseStatus.IN_PROGRESS)
            key = row.inserted_primary_key
            assert key is not None
            correction = self._adopt(int(key[0]), base, version, mask, editor.strip())
        self.status_changed.emit(self._status.value)
        self.correction_started.emit(correction)
        return correction

    def discard_correction(self) -> None:
        """Set the correction aside, so that a new one can be started from another base.

        It stays in the catalogue for the audit trail.
        """
        with self._lock:
            if self._correction is None:
                return
            with self._catalogue.write() as connection:
                connection.execute(
                    update(tables.corrections)
                    .where(tables.corrections.c.id == self._correction.id)
                    .values(active=False)
                )
                self._write_status(connection, CaseStatus.NEW)
            self._correction.meter_changed.disconnect(self._on_meter)
            self._correction.committed.disconnect(self._on_stroke)
            self._correction.undone.disconnect(self._on_stroke)
            self._correction.redone.disconnect(self._on_stroke)
            self._correction = None
        self.status_changed.emit(self._status.value)
        self.correction_discarded.emit()

    def mark(self, status: CaseStatus) -> None:
        """Set how far the work is."""
        with self._lock:
            if status is self._status:
                return
            with self._catalogue.write() as connection:
                self._write_status(connection, status)
        self.status_changed.emit(status.value)

    def _base_mask(self, base: CorrectionBase) -> tuple[NDArray[np.uint8], str | None]:
        if base == "prediction":
            if self._prediction is None:
                raise DataError(
                    f"{self.patient} has no prediction to start from.",
                    "Predict first, or start from an empty mask.",
                )
            return (self._prediction.mask != 0).astype(np.uint8), self._prediction.model_version
        if base == "truth":
            if self.truth is None:
                raise DataError(
                    f"{self.patient} has no ground truth to start from.",
                    "Start from the prediction or from an empty mask.",
                )
            return self.truth.copy(), None
        if base == "empty":
            return np.zeros(self.shape, np.uint8), None
        raise DataError(
            f"A correction cannot start from {base!r}.", "Known: prediction, truth, empty."
        )

    def _register(self, connection: Connection) -> tuple[int, CaseStatus]:
        columns, now = tables.cases.c, time.time()
        path = None if self.study.path is None else str(self.study.path)
        row = connection.execute(
            select(columns.id, columns.status).where(
                columns.patient == self.patient, columns.image_sha256 == self.image_sha256
            )
        ).one_or_none()
        if row is not None:
            connection.execute(
                update(tables.cases).where(columns.id == row.id).values(path=path, updated=now)
            )
            return row.id, CaseStatus(row.status)
        made = connection.execute(
            insert(tables.cases).values(
                patient=self.patient,
                image_sha256=self.image_sha256,
                path=path,
                status=CaseStatus.NEW.value,
                created=now,
                updated=now,
            )
        )
        key = made.inserted_primary_key
        assert key is not None
        return int(key[0]), CaseStatus.NEW

    def _corrected_elsewhere(self, connection: Connection) -> tuple[str, ...]:
        cases, corrections = tables.cases, tables.corrections
        found = connection.execute(
            select(cases.c.id)
            .join(corrections, corrections.c.case_id == cases.c.id)
            .where(cases.c.patient == self.patient, cases.c.id != self.id, corrections.c.active)
        ).first()
        if found is None:
            return ()
        return (
            f"A saved correction of {self.patient} belongs to an image with other voxels "
            "and is not shown.",
        )

    def _load_correction(self) -> None:
        columns = tables.corrections.c
        with self._catalogue.read() as connection:
            row = connection.execute(
                select(tables.corrections)
                .where(columns.case_id == self.id, columns.active)
                .order_by(columns.id.desc())
            ).first()
        if row is None:
            return
        mask = unpack_bits(row.base_mask, self.shape)
        self._adopt(row.id, row.base, row.base_version, mask, row.editor)

    def _adopt(
        self,
        correction_id: int,
        base: CorrectionBase,
        version: str | None,
        mask: NDArray[np.uint8],
        editor: str,
    ) -> Correction:
        prediction = mask if base == "prediction" else None
        if self._prediction is not None:
            prediction = self._prediction.mask
        correction = Correction(
            self._catalogue,
            correction_id,
            base=base,
            base_version=version,
            base_mask=mask,
            editor=editor,
            truth=self.truth,
            prediction=prediction,
            voxel_volume_ml=self.study.image.geometry.voxel_volume_ml,
        )
        correction.meter_changed.connect(self._on_meter)
        correction.committed.connect(self._on_stroke)
        correction.undone.connect(self._on_stroke)
        correction.redone.connect(self._on_stroke)
        self._correction = correction
        return correction

    def _on_meter(self, meter: Meter) -> None:
        self.corrected.emit(meter)

    def _on_stroke(self) -> None:
        # An approved case that is painted on is no longer what was signed off.
        self.mark(CaseStatus.CORRECTED)

    def _write_status(self, connection: Connection, status: CaseStatus) -> None:
        connection.execute(
            update(tables.cases)
            .where(tables.cases.c.id == self.id)
            .values(status=status.value, updated=time.time())
        )
        self._status = status
