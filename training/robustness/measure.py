"""Patients predicted as they are and under every condition, each study read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.inference import Progress
from napari_brainseg.core.segmentation.metrics import dsc, volume
from napari_brainseg.core.segmentation.predictor import Predictor
from training.robustness.results import LesionFree, PatientScores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from training.robustness.conditions import Condition

__all__ = ["PHANTOM_SEED", "mark_phantoms", "measure_patients"]

PHANTOM_SEED = 4
"""Of the series of phantoms without lesion."""


def measure_patients(
    bundle: Bundle,
    folders: Sequence[StudyFolder],
    conditions: Sequence[Condition],
    *,
    known: Callable[[str, str], PatientScores | None] = lambda _patient, _engine: None,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[PatientScores | str]:
    """Measure a model on patients, one after another.

    Parameters
    ----------
    bundle : Bundle
        The model.
    folders : sequence of StudyFolder
        Patients with masks.
    conditions : sequence of Condition
        What is done to each study.
    known : callable, optional
        From a patient and an engine to scores of an earlier measurement that was stopped.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    progress : callable, optional
        Called before each prediction, and once at the end.

    Yields
    ------
    PatientScores or str
        Of each patient; words where one cannot be read or predicted.

    Raises
    ------
    ModelError
        If the model or device cannot be used.
    """
    with Predictor(bundle, device) as predictor:
        for done, folder in enumerate(folders):
            scores = known(folder.patient, predictor.engine)
            if scores is not None:
                yield scores
                continue

            def show(stage: str, done: int = done, name: str = folder.patient) -> None:
                if progress is not None:
                    progress(Progress(f"{name} {stage}", done, len(folders)))

            try:
                yield _scores(predictor, load_study(folder), conditions, show)
            except DataError as error:
                yield f"{folder.patient} was not measured: {error}"
    if progress is not None:
        progress(Progress("Done", len(folders), len(folders)))


def mark_phantoms(
    bundles: Sequence[Bundle],
    count: int,
    *,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> LesionFree:
    """Predict phantoms without lesion, of which no voxel should be marked.

    Parameters
    ----------
    bundles : sequence of Bundle
        Models; where there are several, the phantoms are dealt to them in turn.
    count : int
        Number of phantoms; the same ones each time.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    progress : callable, optional
        Called before each phantom, and once at the end.
    """
    volumes: list[int] = []
    for place, bundle in enumerate(bundles):
        own = range(place, count, len(bundles))
        if not own:
            break
        with Predictor(bundle, device) as predictor:
            for index in own:
                if progress is not None:
                    progress(Progress("phantom without lesion", len(volumes), count))
                study = phantom_study(PHANTOM_SEED, index, lesions=0)
                volumes.append(volume(predictor.predict(study).mask))
    if progress is not None:
        progress(Progress("Done", count, count))
    return LesionFree(
        phantoms=count, phantoms_marked=sum(v > 0 for v in volumes), voxels=sum(volumes)
    )


def _scores(
    predictor: Predictor,
    study: Study,
    conditions: Sequence[Condition],
    show: Callable[[str], None],
) -> PatientScores:
    show("unchanged")
    unchanged = _dsc(predictor, study)
    changed = {}
    for condition in conditions:
        show(condition.name)
        other = condition.change(study)
        if other is not None:
            changed[condition.name] = _dsc(predictor, other)
    return PatientScores(
        patient=study.patient,
        model=predictor.bundle.version,
        engine=predictor.engine,
        unchanged=unchanged,
        changed=changed,
    )


def _dsc(predictor: Predictor, study: Study) -> float:
    if study.truth is None:
        raise DataError(f"{study.patient} has no ground truth.", "Leave the patient out.")
    return dsc(predictor.predict(study).mask, study.truth.data)
