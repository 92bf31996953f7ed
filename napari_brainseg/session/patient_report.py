"""Gathers what a patient's report says, from the open case or from the catalogue alone.

Thread-safety: the functions may be called from any thread; they take a second or two: not for the
GUI thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_brainseg.core.formats.discreet import discreet_warnings
from napari_brainseg.core.imaging import DataError, Modality, StudyFormat
from napari_brainseg.core.reporting.follow_up import FollowUpPoint
from napari_brainseg.core.reporting.patient_report import (
    Agreement,
    Basis,
    Lesion,
    MeasurementLine,
    ModelFacts,
    PatientReport,
    SignOff,
    Work,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["Standing", "point_of", "report_of", "report_of_study", "standing_of",
           "standing_of_study"]  # fmt: skip

KEY_SLICES = 6
_ATTRIBUTES = ("Study date", "Age", "Sex", "Study", "Scanner", "Field strength")
"""What a report shows of the files' attributes, in this order; see `core.formats.dicom.about`."""
_PLANES = ("axial slice", "coronal slice", "sagittal slice")


class HasCatalogue(Protocol):
    """A desk, or a shelf."""

    @property
    def catalogue(self) -> Catalogue:
        """Where the work is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """What a report stands on.

    Parameters
    ----------
    basis : Basis
        What `mask` is worth.
    mask : ndarray of uint8, shape (Z, Y, X)
        What volume and diameters are measured in.
    base_mask : ndarray of uint8, shape (Z, Y, X), or None
        What was corrected.
    work : Work or None
        What people did.
    sign_off : SignOff or None
        The decision that stands.
    case_id : int or None
        Row of the case, whose measurements are shown.
    """

    basis: Basis
    mask: NDArray[np.uint8]
    base_mask: NDArray[np.uint8] | None = None
    work: Work | None = None
    sign_off: SignOff | None = None
    case_id: int | None = None


def standing_of(source: HasCatalogue | Catalogue, case: Case) -> Standing:
    """Tell what a report of the open case would stand on now.

    The correction where there is one, else the prediction, else the ground truth of the files.

    Raises
    ------
    DataError
        If there is no mask, or the catalogue cannot be read.
    """
    from napari_brainseg.session.recorded_work import basis_of, recorded_work, sign_off_of
    from napari_brainseg.session.review_log import reviews_of

    catalogue = _catalogue(source)
    recorded = recorded_work(catalogue, case.id, case.shape)
    correction = case.correction
    if correction is not None and recorded.work is not None:
        # As it is here: a stroke that the disk did not take yet counts.
        mask, meter = correction.saved, correction.meter
        work = replace(
            recorded.work,
            strokes=meter.strokes,
            seconds=meter.seconds,
            added_vox=meter.added_vox,
            removed_vox=meter.removed_vox,
        )
        reviews = reviews_of(catalogue, case.id)
        basis = basis_of(mask, reviews, case.status)
        sign_off = sign_off_of(catalogue, correction.id, reviews, basis)
        return Standing(basis, mask, correction.base_mask, work, sign_off, case.id)
    if case.is_blind:
        raise DataError(
            f"{case.patient} is read blind: a report would show what is withheld.",
            "Draw the first contour, or sign the case off; then make the report.",
        )
    return _without_correction(case.study, case.prediction, recorded.sign_off, case.id)


def report_of(
    source: HasCatalogue | Catalogue,
    case: Case,
    *,
    heading: str = "",
    identifiers: bool = False,
    with_follow_up: bool = True,
) -> PatientReport:
    """Make the report of the open case.

    Parameters
    ----------
    source : HasCatalogue or Catalogue
        The desk, or the catalogue itself.
    case : Case
    heading : str
        What stands on top, e.g. the department's name.
    identifiers : bool
        Whether to say who the patient is; never by itself.
    with_follow_up : bool
        Whether to show other studies of the same patient.

    Raises
    ------
    DataError
        If there is no mask to report on, or the catalogue cannot be read.
    """
    catalogue = _catalogue(source)
    return report_of_study(
        case.study,
        standing_of(source, case),
        catalogue=catalogue,
        prediction=case.prediction,
        heading=heading,
        identifiers=identifiers,
        with_follow_up=with_follow_up,
        notes=case.notes,
    )


def report_of_study(
    study: Study,
    standing: Standing | None = None,
    *,
    catalogue: Catalogue | None = None,
    image_sha256: str | None = None,
    prediction: Prediction | None = None,
    heading: str = "",
    identifiers: bool = False,
    with_follow_up: bool = True,
    notes: tuple[str, ...] | None = None,
) -> PatientReport:
    """Make the report of a study that no window has open.

    Parameters
    ----------
    study : Study
    standing : Standing, optional
        What it stands on; if left out the correction in the catalogue, else `prediction`, else
        the ground truth.
    catalogue : Catalogue, optional
        Where the work is kept, if there is any.
    image_sha256 : str, optional
        Content hash of the image; computed if it is needed.
    prediction : Prediction, optional
        Of this study.
    heading, identifiers, with_follow_up
        See `report_of`.
    notes : tuple of str, optional
        What a reader should know; the warnings of the study if left out.

    Raises
    ------
    DataError
        If there is no mask to report on, or the catalogue cannot be read.
    """
    from napari_brainseg.core.imaging.edge_letters import axis_letters
    from napari_brainseg.core.imaging.window import tissue_of
    from napari_brainseg.core.reporting.key_pictures import LINES, key_pictures
    from napari_brainseg.core.reporting.key_slices import choose_slices
    from napari_brainseg.core.reporting.slice_drawing import name_of, shown_modality
    from napari_brainseg.session.follow_up import day_of, follow_up, merged

    if standing is None:
        standing = _recorded(study, catalogue, image_sha256, prediction)
    truth = None if study.truth is None else study.truth.data
    lesion = _lesion(study, standing.mask)
    masks = _masks(standing, prediction, truth)
    slices = choose_slices(
        standing.mask,
        count=KEY_SLICES,
        diameter_slice=None if lesion.diameters is None else lesion.diameters.slice_index,
        uncertainty=None if prediction is None else prediction.uncertainty,
        base=standing.base_mask,
        truth=truth if standing.basis is not Basis.TRUTH else None,
    )
    day, attributes, shown = day_of(study.patient), _attributes(study), shown_modality(study)
    dated = attributes.pop("Study date", "")
    geometry = study.image.geometry
    report = PatientReport(
        patient=study.patient,
        basis=standing.basis,
        lesion=lesion,
        heading=heading.strip(),
        identity=dict(study.identity) if identifiers else {},
        study_date=dated if day is None else day.isoformat(),
        attributes=attributes,
        key_slices=key_pictures(study, masks, slices, lesion.diameters),
        outlines=tuple(name for name in LINES if masks.get(name) is not None),
        agreements=_agreements(study, standing, prediction),
        model=_model(prediction),
        work=standing.work,
        sign_off=standing.sign_off,
        measurements=_measurements(catalogue, standing.case_id),
        source=_source(study),
        warnings=discreet_warnings(study.format, study.warnings if notes is None else notes),
        spacing_mm=geometry.spacing_mm,
        has_orientation=axis_letters(geometry.affine_lps, 2) is not None,
        modality=name_of(shown, tissue_of(study.shown(shown))),
    )
    if not with_follow_up or catalogue is None:
        return report
    version = None if prediction is None else prediction.model_version
    others = follow_up(catalogue, study.patient, version=version, skip=(study.patient,))
    return replace(report, follow_up=merged(point_of(report), others))


def point_of(report: PatientReport) -> FollowUpPoint:
    """Return a report's own study as a point in time."""
    from napari_brainseg.session.follow_up import day_of

    version = None if report.model is None else report.model.version
    if report.work is not None:
        version = report.work.base_version
    return FollowUpPoint(
        report.patient,
        day_of(report.patient),
        report.lesion.voxels,
        report.lesion.ml,
        report.basis,
        version,
        is_this=True,
    )


def _catalogue(source: HasCatalogue | Catalogue) -> Catalogue:
    from napari_brainseg.session.catalogue import Catalogue

    return source if isinstance(source, Catalogue) else source.catalogue


def standing_of_study(study: Study, catalogue: Catalogue, image_sha256: str) -> Standing | None:
    """Read the correction of a study without opening it as a case; ``None`` without one.

    Raises
    ------
    DataError
        If the catalogue cannot be read.
    """
    from napari_brainseg.session.recorded_work import case_of, recorded_work

    case_id = case_of(catalogue, study.patient, image_sha256)
    if case_id is None:
        return None
    found = recorded_work(catalogue, case_id, study.image.grid_shape)
    if found.mask is None or found.basis is None:
        return None
    return Standing(found.basis, found.mask, found.base_mask, found.work, found.sign_off, case_id)


def _recorded(
    study: Study,
    catalogue: Catalogue | None,
    image_sha256: str | None,
    prediction: Prediction | None,
) -> Standing:
    from napari_brainseg.core.dataset.hashing import image_sha256 as hash_image
    from napari_brainseg.session.recorded_work import case_of, recorded_work

    if catalogue is None:
        return _without_correction(study, prediction, None, None)
    sha = image_sha256 or hash_image(study)
    standing = standing_of_study(study, catalogue, sha)
    if standing is not None:
        return standing
    case_id = case_of(catalogue, study.patient, sha)
    sign_off = None if case_id is None else recorded_work(catalogue, case_id).sign_off
    return _without_correction(study, prediction, sign_off, case_id)


def _without_correction(
    study: Study, prediction: Prediction | None, sign_off: SignOff | None, case_id: int | None
) -> Standing:
    if prediction is not None:
        return Standing(Basis.PREDICTION, prediction.mask, sign_off=sign_off, case_id=case_id)
    if study.truth is not None:
        return Standing(Basis.TRUTH, study.truth.data, sign_off=sign_off, case_id=case_id)
    raise DataError(
        f"{study.patient} has neither a correction nor a prediction nor ground truth to report on.",
        "Predict the patient, or start a correction; then make the report.",
    )


def _lesion(study: Study, mask: NDArray[np.uint8]) -> Lesion:
    from scipy import ndimage

    from napari_brainseg.core.segmentation.diameters import bidimensional

    geometry = study.image.geometry
    voxels, voxel_ml = int(np.count_nonzero(mask)), geometry.voxel_volume_ml
    _, components = ndimage.label(mask != 0)
    return Lesion(
        voxels=voxels,
        ml=None if voxel_ml is None else voxels * voxel_ml,
        components=int(components),
        slices=int(np.count_nonzero(mask.any(axis=(1, 2)))),
        of_slices=mask.shape[0],
        diameters=bidimensional(mask, geometry.spacing_mm),
    )


def _masks(
    standing: Standing, prediction: Prediction | None, truth: NDArray[np.uint8] | None
) -> Mapping[str, NDArray[np.uint8] | None]:
    """Masks that the key slices show, by the names of `key_pictures.LINES`."""
    predicted = None if prediction is None else prediction.mask
    corrected = standing.mask if standing.work is not None else None
    if predicted is None and standing.work is not None and standing.work.base == "prediction":
        predicted = standing.base_mask
    return {"truth": truth, "correction": corrected, "prediction": predicted}


def _agreements(
    study: Study, standing: Standing, prediction: Prediction | None
) -> tuple[Agreement, ...]:
    if study.truth is None:
        return ()
    found = []
    if standing.work is not None:
        found.append(_agreement("correction", study, standing.mask))
    if prediction is not None:
        found.append(_agreement("prediction", study, prediction.mask))
    return tuple(found)


def _agreement(of: str, study: Study, mask: NDArray[np.uint8]) -> Agreement:
    from napari_brainseg.core.segmentation.metrics import dsc, hd95_mm, hd95_vox

    assert study.truth is not None
    truth, spacing = study.truth.data, study.image.geometry.spacing_mm
    distance = hd95_vox(mask, truth) if spacing is None else hd95_mm(mask, truth, spacing)
    return Agreement(of, dsc(mask, truth), distance, "vox" if spacing is None else "mm")


def _model(prediction: Prediction | None) -> ModelFacts | None:
    from napari_brainseg.core.segmentation.metrics import dsc
    from napari_brainseg.session.prediction_summary import doubt_near_outline

    if prediction is None:
        return None
    doubt = doubt_near_outline(prediction.mask, prediction.probability, prediction.uncertainty)
    plain = prediction.plain_mask
    return ModelFacts(
        version=prediction.model_version,
        engine=prediction.engine,
        uncertainty=None if math.isnan(doubt) else doubt,
        disagreement=None if plain is None else 1.0 - dsc(prediction.mask, plain),
    )


def _measurements(catalogue: Catalogue | None, case_id: int | None) -> tuple[MeasurementLine, ...]:
    from napari_brainseg.session.measurements import measurements_of

    if catalogue is None or case_id is None:
        return ()
    return tuple(
        MeasurementLine(
            str(found.kind), found.label, found.value, str(found.unit),
            f"{_PLANES[found.axis]} {found.plane + 1}",
        )
        for found in measurements_of(catalogue, case_id)
    )  # fmt: skip


def _source(study: Study) -> tuple[tuple[str, str], ...]:
    """Format and series; no paths and no UIDs, which may tell who the patient is."""
    rows = [("Format", str(study.format))]
    known = {series.key: series for series in study.series}
    for modality in (Modality.FLAIR, Modality.PRE, Modality.POST):
        series = known.get(study.roles.get(modality, ""))
        if series is not None and series.description:
            rows.append((str(modality), series.description))
    if study.missing_modalities:
        rows.append(("Missing", ", ".join(str(m) for m in study.missing_modalities)))
    return tuple(rows)


def _attributes(study: Study) -> dict[str, str]:
    """Age, sex, scanner and the like; columns of data.csv are codes that nobody reads."""
    if study.format is StudyFormat.KAGGLE_3M:
        return {}
    return {name: text for name in _ATTRIBUTES if (text := study.attributes.get(name, ""))}
