"""Patients of a study root in the catalogue: what was learnt from their files.

Thread-safety: every function may be called from any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from napari_brainseg.session import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["PatientRecord", "read_patient", "read_patients", "save_patients"]

_AT_ONCE = 500
"""Patients in one transaction: some 20 ms."""


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """What is known of a patient's files; the pixels' part is `None` until they were looked at.

    Parameters
    ----------
    patient : str
        Name of the study.
    path : Path
        Its folder.
    fingerprint : str
        Of names, sizes and times of the files.
    slices : int
        Number of slices.
    found : float
        When it was seen first, Unix seconds.
    missing : tuple of str, optional
        Modalities that are absent.
    truth_vox : int, optional
        Voxels of ground truth; `None` also where there is none.
    spacing_mm : str, optional
        ``ZxYxX`` where the files carry it.
    image_sha256 : str, optional
        Content hash of the image.
    thumbnail : bytes, optional
        See `thumbnails`.
    fault, fault_hint : str, optional
        Why the pixels cannot be read, and the mend.
    vanished : float, optional
        Since when it is gone from the folder, Unix seconds.
    """

    patient: str
    path: Path
    fingerprint: str
    slices: int
    found: float
    missing: tuple[str, ...] | None = None
    truth_vox: int | None = None
    spacing_mm: str | None = None
    image_sha256: str | None = None
    thumbnail: bytes | None = None
    fault: str | None = None
    fault_hint: str | None = None
    vanished: float | None = None

    @property
    def is_looked_at(self) -> bool:
        """Whether the pixels were read, or found to be unreadable."""
        return self.image_sha256 is not None or self.fault is not None


_Columns = tables.patients.c
_SELECTED = (
    _Columns.patient,
    _Columns.path,
    _Columns.fingerprint,
    _Columns.slices,
    _Columns.found,
    _Columns.missing_modalities,
    _Columns.truth_vox,
    _Columns.spacing_mm,
    _Columns.image_sha256,
    _Columns.thumbnail,
    _Columns.fault,
    _Columns.fault_hint,
    _Columns.vanished,
)


def read_patients(catalogue: Catalogue, root: str) -> dict[str, PatientRecord]:
    """All patients ever seen below a root, by name."""
    with catalogue.read() as connection:
        rows = connection.execute(select(*_SELECTED).where(_Columns.root == root)).all()
    return {row[0]: _record(row) for row in rows}


def read_patient(catalogue: Catalogue, root: str, patient: str) -> PatientRecord | None:
    """One patient of a root."""
    with catalogue.read() as connection:
        row = connection.execute(
            select(*_SELECTED).where(_Columns.root == root, _Columns.patient == patient)
        ).one_or_none()
    return None if row is None else _record(row)


def save_patients(catalogue: Catalogue, root: str, records: Iterable[PatientRecord]) -> None:
    """Add or replace patients.

    In transactions short enough that a stroke which is to be kept meanwhile need not wait long.
    """
    everything = tuple(records)
    for start in range(0, len(everything), _AT_ONCE):
        some = everything[start : start + _AT_ONCE]
        with catalogue.write() as connection:
            known = {
                row.patient: row.id
                for row in connection.execute(
                    select(_Columns.patient, _Columns.id).where(
                        _Columns.root == root, _Columns.patient.in_([r.patient for r in some])
                    )
                )
            }
            new = [{"root": root} | _values(r) for r in some if r.patient not in known]
            if new:
                connection.execute(insert(tables.patients), new)
            old = [{"_id": known[r.patient]} | _values(r) for r in some if r.patient in known]
            if old:
                columns: dict[str, Any] = {
                    name: bindparam(name) for name in old[0] if name != "_id"
                }
                connection.execute(
                    update(tables.patients).where(_Columns.id == bindparam("_id")).values(columns),
                    old,
                )


def _record(row: Any) -> PatientRecord:
    patient, path, fingerprint, slices, found, missing, *rest = row
    names = None if missing is None else tuple(name for name in missing.split(",") if name)
    return PatientRecord(patient, Path(path), fingerprint, slices, found, names, *rest)


def _values(record: PatientRecord) -> dict[str, Any]:
    return {
        "patient": record.patient,
        "path": str(record.path),
        "fingerprint": record.fingerprint,
        "slices": record.slices,
        "found": record.found,
        "missing_modalities": None if record.missing is None else ",".join(record.missing),
        "truth_vox": record.truth_vox,
        "spacing_mm": record.spacing_mm,
        "image_sha256": record.image_sha256,
        "thumbnail": record.thumbnail,
        "fault": record.fault,
        "fault_hint": record.fault_hint,
        "vanished": record.vanished,
    }
