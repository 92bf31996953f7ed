"""Volumes of all studies of one patient that the catalogue knows.

Thread-safety: the functions may be called from any thread; they take time.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sqlalchemy import and_, case, select, union

from napari_brainseg.core.formats.names import undated
from napari_brainseg.core.reporting.follow_up import FollowUp, FollowUpPoint
from napari_brainseg.core.reporting.patient_report import Basis
from napari_brainseg.session import tables
from napari_brainseg.session.recorded_work import case_of, recorded_work

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["day_of", "follow_up", "merged", "studies_of"]

_DAY = re.compile(r".+_([0-9]{4})([0-9]{2})([0-9]{2})[b-z]?")


class _Predicted(NamedTuple):
    volume_vox: int
    volume_ml: float | None
    model_version: str


def day_of(study: str) -> date | None:
    """Return the date that the name of a study ends in; ``None`` where it ends in none."""
    match = _DAY.fullmatch(study)
    if match is None:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def studies_of(catalogue: Catalogue, study: str) -> tuple[str, ...]:
    """Names of all studies of the same person, this one among them, the earliest first.

    Only names that end in a date are taken together: others say nothing about the person.
    """
    if day_of(study) is None:
        return (study,)
    person = undated(study)
    sources = (tables.patients, tables.cases, tables.predictions)
    names = union(
        *(select(table.c.patient).where(table.c.patient.startswith(person, autoescape=True))
          for table in sources)
    )  # fmt: skip
    with catalogue.read() as connection:
        found = {str(name) for name in connection.execute(names).scalars()}
    mine = {name for name in found if undated(name) == person and day_of(name) is not None}
    return tuple(sorted(mine | {study}, key=_order))


def follow_up(
    catalogue: Catalogue, study: str, *, version: str | None = None, skip: Iterable[str] = ()
) -> tuple[FollowUpPoint, ...]:
    """Collect the volumes of a patient's studies, the earliest first.

    A study's correction counts before its prediction; of several predictions that by `version`,
    else the latest.

    Parameters
    ----------
    catalogue : Catalogue
    study : str
        Name of one of the studies.
    version : str, optional
        Model in use.
    skip : iterable of str
        Studies that the caller knows better.

    Returns
    -------
    tuple of FollowUpPoint
        Studies without any mask have no volume. Only `study` and others of the same person.

    Raises
    ------
    DataError
        If the catalogue cannot be read.
    """
    known = set(skip)
    return tuple(
        _point(catalogue, name, version)
        for name in studies_of(catalogue, study)
        if name not in known
    )


def merged(this: FollowUpPoint, others: Iterable[FollowUpPoint]) -> FollowUp | None:
    """Put a report's own study among the others; ``None`` where it is the only one."""
    points = {point.study: point for point in others}
    points[this.study] = this
    if len(points) < 2:
        return None
    return FollowUp(tuple(sorted(points.values(), key=lambda p: _order(p.study))))


def _order(study: str) -> tuple[date, str]:
    return day_of(study) or date.min, study


def _point(catalogue: Catalogue, study: str, version: str | None) -> FollowUpPoint:
    sha, spacing = _image_of(catalogue, study)
    day = day_of(study)
    if sha is None:
        return FollowUpPoint(study, day)
    prediction = _prediction_of(catalogue, study, sha, version)
    case_id = case_of(catalogue, study, sha)
    work = None if case_id is None else recorded_work(catalogue, case_id)
    if work is not None and work.mask is not None and work.work is not None:
        voxels = int(np.count_nonzero(work.mask))
        voxel_ml = _voxel_ml(spacing, prediction)
        ml = None if voxel_ml is None else voxels * voxel_ml
        return FollowUpPoint(study, day, voxels, ml, work.basis, work.work.base_version)
    if prediction is None:
        return FollowUpPoint(study, day)
    return FollowUpPoint(
        study,
        day,
        prediction.volume_vox,
        prediction.volume_ml,
        Basis.PREDICTION,
        prediction.model_version,
    )


def _image_of(catalogue: Catalogue, study: str) -> tuple[str | None, str | None]:
    """Content hash of the image and its spacing as text: as found last in the files."""
    patients, cases, predictions = tables.patients.c, tables.cases.c, tables.predictions.c
    queries = (
        select(patients.image_sha256, patients.spacing_mm)
        .where(patients.patient == study, patients.image_sha256.is_not(None))
        .order_by(patients.vanished.is_not(None), patients.id.desc()),
        select(cases.image_sha256).where(cases.patient == study).order_by(cases.updated.desc()),
        select(predictions.image_sha256)
        .where(predictions.patient == study)
        .order_by(predictions.created.desc()),
    )
    with catalogue.read() as connection:
        for query in queries:
            row = connection.execute(query).first()
            if row is not None:
                return row[0], row[1] if len(row) > 1 else None
    return None, None


def _prediction_of(
    catalogue: Catalogue, study: str, sha: str, version: str | None
) -> _Predicted | None:
    columns = tables.predictions.c
    is_preferred = case((columns.model_version == (version or ""), 0), else_=1)
    with catalogue.read() as connection:
        row = connection.execute(
            select(columns.volume_vox, columns.volume_ml, columns.model_version)
            .where(and_(columns.patient == study, columns.image_sha256 == sha))
            .order_by(is_preferred, columns.created.desc())
        ).first()
    return None if row is None else _Predicted(*row)


def _voxel_ml(spacing: str | None, prediction: _Predicted | None) -> float | None:
    # The prediction first: edges alone tell too much of a stack that leans (gantry tilt).
    if prediction is not None and prediction.volume_ml is not None and prediction.volume_vox:
        return float(prediction.volume_ml / prediction.volume_vox)
    if spacing is not None:
        return float(np.prod([float(part) for part in spacing.split("x")])) / 1000.0
    return None
