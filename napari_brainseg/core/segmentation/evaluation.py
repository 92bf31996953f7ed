"""A bundle measured on patients with ground truth.

Shared by ``brainseg evaluate`` and ``python -m training evaluate``.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.formats.discreet import discreet_fault, discreet_reason
from napari_brainseg.core.formats.series_choices import chosen_words
from napari_brainseg.core.imaging import CancelledError, DataError
from napari_brainseg.core.segmentation.calibration import CalibrationCounts
from napari_brainseg.core.segmentation.evaluation_results import (
    Evaluation,
    EvaluationSummary,
    Figure,
    NotMeasured,
    PatientResult,
    Seconds,
    summarise,
)
from napari_brainseg.core.segmentation.inference import Progress
from napari_brainseg.core.segmentation.metrics import (
    dsc,
    hd95_mm,
    hd95_vox,
    largest_component,
    lesion_free_slices,
    precision,
    relative_volume_error,
    sensitivity,
    volume,
)
from napari_brainseg.core.segmentation.predictor import Predictor
from napari_brainseg.core.segmentation.preprocessing.reference import reference_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Prediction

__all__ = [
    "Evaluation",
    "EvaluationSummary",
    "Figure",
    "NotMeasured",
    "PatientResult",
    "Seconds",
    "evaluate_folders",
    "evaluate_root",
    "evaluate_study",
    "summarise",
]


def evaluate_study(
    study: Study, prediction: Prediction, *, load_seconds: float = 0.0
) -> PatientResult:
    """Measure a prediction against the study's ground truth.

    Parameters
    ----------
    study : Study
        With ground truth.
    prediction : Prediction
        On the study's grid.
    load_seconds : float
        Time that reading the study took, for the record.

    Raises
    ------
    DataError
        If the study has no ground truth, or the grids differ.
    """
    if study.truth is None:
        raise DataError(
            f"{study.patient} has no ground truth to measure against.",
            "Add its masks, or leave the patient out.",
        )
    truth, mask = study.truth.data, prediction.mask
    if mask.shape != truth.shape:
        raise DataError(
            f"{study.patient}: the prediction has shape {mask.shape}, the ground truth "
            f"{truth.shape}.",
            "Predict this study again.",
        )
    spacing = study.image.geometry.spacing_mm
    free, free_marked = lesion_free_slices(mask, truth)
    stages = {k: prediction.timings.get(k, 0.0) for k in ("preprocess", "infer", "postprocess")}
    return PatientResult(
        patient=study.patient,
        slices=truth.shape[0],
        dsc_reference=_dsc_reference(study, prediction),
        dsc_native=dsc(mask, truth),
        dsc_native_lcc=dsc(largest_component(mask), truth),
        hd95_vox=_known(hd95_vox(mask, truth)),
        hd95_mm=None if spacing is None else _known(hd95_mm(mask, truth, spacing)),
        sensitivity=sensitivity(mask, truth),
        precision=precision(mask, truth),
        relative_volume_error=relative_volume_error(mask, truth),
        lesion_free_slices=free,
        lesion_free_slices_marked=free_marked,
        volume_truth_vox=volume(truth),
        volume_prediction_vox=volume(mask),
        seconds=Seconds(
            load=load_seconds, **stages, total=load_seconds + prediction.timings.get("total", 0.0)
        ),
    )


def evaluate_root(
    root: Path,
    bundle: Bundle,
    *,
    patients: Iterable[str] | None = None,
    device: str = "auto",
    tta: bool = False,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evaluation:
    """Measure a bundle on the patients below a folder.

    Parameters
    ----------
    root : Path
        One patient's folder or a folder of patients in kaggle_3m layout.
    bundle : Bundle
        The model.
    patients : iterable of str, optional
        Names, with or without the date; all with masks if left out.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    tta : bool
        Average with the left-right mirrored volume.
    progress : callable, optional
        Called before each patient, with its name as the stage, and once at the end.
    cancelled : callable, optional
        Asked before each patient and each batch.

    Raises
    ------
    DataError
        If a named patient is not there, or none could be measured.
    ModelError
        If the model or device cannot be used.
    CancelledError
        If `cancelled` said so.
    """
    found = discover(root)
    if patients is None:
        folders: tuple[StudyFolder, ...] = found.folders
        faults = tuple(
            NotMeasured(patient=name, reason=reason)
            for name, reason in (discreet_fault(found, fault) for fault in found.faults)
        )
    else:
        folders, faults = tuple(found.find(name) for name in dict.fromkeys(patients)), ()
    return evaluate_folders(
        folders,
        bundle,
        device=device,
        tta=tta,
        progress=progress,
        cancelled=cancelled,
        not_measured=faults,
    )


def evaluate_folders(
    folders: Sequence[StudyFolder],
    bundle: Bundle,
    *,
    device: str = "auto",
    tta: bool = False,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    not_measured: Sequence[NotMeasured] = (),
    seen: Callable[[Study, Prediction], None] | None = None,
) -> Evaluation:
    """Measure a bundle on patients that `discover` found; see `evaluate_root`.

    Parameters
    ----------
    not_measured : sequence of NotMeasured
        Patients that were given up before, to go on the list.
    seen : callable, optional
        Called with the study and the prediction of each patient that was measured; neither is
        kept here.
    """
    results: list[PatientResult] = []
    counts = CalibrationCounts()
    skipped = list(not_measured)
    with Predictor(bundle, device) as predictor:
        for done, folder in enumerate(folders):
            if cancelled is not None and cancelled():
                raise CancelledError("The evaluation was stopped.")
            if progress is not None:
                progress(Progress(folder.patient, done, len(folders)))
            if not folder.has_masks:
                skipped.append(NotMeasured(patient=folder.patient, reason="It has no masks."))
                continue
            try:
                start = time.perf_counter()
                study = load_study(folder)
                loaded = time.perf_counter() - start
                prediction = predictor.predict(study, tta=tta, cancelled=cancelled)
                result = evaluate_study(study, prediction, load_seconds=loaded)
                results.append(result.model_copy(update={"chosen_series": chosen_words(folder)}))
            except DataError as error:
                skipped.append(
                    NotMeasured(patient=folder.patient, reason=discreet_reason(folder, error))
                )
                continue
            counts += _calibration(study, prediction)
            if seen is not None:
                seen(study, prediction)
        engine, reason = predictor.engine, predictor.reason
    if progress is not None:
        progress(Progress("Done", len(folders), len(folders)))
    if not results:
        why = f" {skipped[0].patient}: {skipped[0].reason}" if skipped else ""
        raise DataError(
            f"None of {len(folders) + len(not_measured)} patients could be measured.{why}",
            "Evaluation needs patients with masks.",
        )
    return summarise(
        results,
        bundle=bundle,
        engine=engine,
        reason=reason,
        not_measured=tuple(skipped),
        calibration=counts.summary(),
    )


def _calibration(study: Study, prediction: Prediction) -> CalibrationCounts:
    assert study.truth is not None
    return CalibrationCounts.of(
        prediction.probability, prediction.uncertainty, prediction.mask, study.truth.data
    )


def _known(distance: float) -> float | None:
    return None if math.isnan(distance) else distance


def _dsc_reference(study: Study, prediction: Prediction) -> float | None:
    assert study.truth is not None
    try:
        grid = reference_grid(study.image.data)
    except DataError:
        return None
    predicted = largest_component(grid.mask_to_grid(prediction.mask))
    return dsc(predicted, grid.mask_to_grid(study.truth.data))
