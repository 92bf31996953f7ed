"""The folds of a cross-validation: each one's model, and the patients it has not seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION, same_person
from napari_brainseg.core.formats import undated
from napari_brainseg.core.imaging import ConfigError, DataError
from napari_brainseg.core.protocol import load_config
from napari_brainseg.core.segmentation.bundle import load_bundle
from training.evaluate import named_folders, patients_at_hand

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = ["Fold", "Folds", "read_folds"]

LEAST_PATIENTS = 3
"""To choose on some, measure on another, and have differences with a spread."""
LEAST_OUTSIDE = 2
"""Of each fold, to choose on."""
ALIKE = ("network", "preprocessing", "temperature", "threshold", "postprocessing")


@dataclass(frozen=True, eq=False)
class Fold:
    """A model and the patients it was not trained on.

    Parameters
    ----------
    name : str
        Of its run's folder.
    bundle : Bundle
        The model.
    patients : tuple of StudyFolder
        With masks.
    """

    name: str
    bundle: Bundle
    patients: tuple[StudyFolder, ...]


@dataclass(frozen=True, eq=False)
class Folds:
    """Folds of one cross-validation, delivered alike.

    Parameters
    ----------
    folds : tuple of Fold
        One at least, three patients together at least.
    notes : tuple of str
        What takes from the worth of figures.
    """

    folds: tuple[Fold, ...]
    notes: tuple[str, ...]

    @property
    def groups(self) -> tuple[int, ...]:
        """What is held out together, for each patient: its fold; of a single fold each patient."""
        if len(self.folds) == 1:
            return tuple(range(len(self.folds[0].patients)))
        return tuple(place for place, fold in enumerate(self.folds) for _ in fold.patients)


def read_folds(sources: Sequence[Path], data: Sequence[Path] | None = None) -> Folds:
    """Open the models of folds and find their patients; no pixel is read.

    Parameters
    ----------
    sources : sequence of Path
        Folders that ``cross-validate`` wrote (``fold-1``, ... in them), or folders of runs.
    data : sequence of Path, optional
        Where the patients lie; where each run had them from if left out.

    Raises
    ------
    ConfigError
        If there is no fold, one has no model yet, or models differ in what is delivered.
    DataError
        If a person was held out twice, a model was trained on its own held-out patients, or there
        are too few.
    """
    runs = [run for source in sources for run in _runs(source)]
    folds: list[Fold] = []
    notes: list[str] = []
    configs: list[RunConfig] = []
    found: dict[str, StudyFolder] = {}
    for run in runs:
        config = load_config(run / "config.json")
        if data is None or not found:
            found = patients_at_hand(config, data)
        fold, apart = _fold(run, config, found)
        folds.append(fold)
        configs.append(config)
        if apart:
            notes.append(f"{run.name}: nothing is chosen on {', '.join(apart)}; left out.")
    _refuse_different(folds)
    _refuse_twice(folds)
    count = sum(len(fold.patients) for fold in folds)
    if count < LEAST_PATIENTS:
        raise DataError(
            f"{count} held-out patients with masks are too few to choose on.",
            f"At least {LEAST_PATIENTS} are needed.",
        )
    if len(folds) > 1 and count - max(len(fold.patients) for fold in folds) < LEAST_OUTSIDE:
        raise DataError(
            "Without the largest fold there are too few patients to choose on.",
            f"At least {LEAST_OUTSIDE} are needed: give more folds.",
        )
    return Folds(tuple(folds), (*_general_notes(folds, configs), *notes))


def _runs(source: Path) -> list[Path]:
    if (source / "config.json").is_file():
        return [source]
    runs = [path for path in source.glob("fold-*") if re.fullmatch(r"fold-\d+", path.name)]
    runs.sort(key=lambda path: int(path.name.removeprefix("fold-")))
    if not runs:
        raise ConfigError(
            f"{source} holds neither a run nor the folds of a cross-validation.",
            "Give the folder that `python -m training cross-validate --run-dir` was given.",
        )
    return runs


def _fold(run: Path, config: RunConfig, found: dict[str, StudyFolder]) -> tuple[Fold, list[str]]:
    if not (run / "bundle").is_dir():
        raise ConfigError(
            f"{run} has no model yet.",
            "Let it end first, or name the folders of the folds that have ended.",
        )
    bundle = load_bundle(run / "bundle")
    names: Sequence[str] = bundle.manifest.training.get("validation_patients") or ()
    learnt = [name for name in names if same_person(name, bundle.train_patients)]
    if learnt:
        raise DataError(
            f"The model of {run} was trained on patients that it held out: {', '.join(learnt)}.",
            "A base model must not have seen them either; train from random weights.",
        )
    kept_back = {*REFERENCE_VALIDATION, *config.test_patients}
    apart = [name for name in names if same_person(name, kept_back)]
    folders = named_folders([name for name in names if name not in apart], found)
    return Fold(run.name, bundle, tuple(f for f in folders if f.has_masks)), apart


def _refuse_different(folds: Sequence[Fold]) -> None:
    first = folds[0]
    for fold in folds[1:]:
        for name in ALIKE:
            own, other = (getattr(f.bundle.manifest, name) for f in (fold, first))
            if own != other:
                raise ConfigError(
                    f"{fold.name} and {first.name} differ in {name}: {own} and {other}.",
                    "Give the folds of one cross-validation.",
                )


def _refuse_twice(folds: Sequence[Fold]) -> None:
    fold_of: dict[str, str] = {}
    for fold in folds:
        for folder in fold.patients:
            before = fold_of.setdefault(undated(folder.patient), fold.name)
            if before != fold.name:
                raise DataError(
                    f"{folder.patient} was held out in {before} and in {fold.name}.",
                    "Give the folds of one cross-validation.",
                )


def _general_notes(folds: Sequence[Fold], configs: Sequence[RunConfig]) -> list[str]:
    notes = []
    asked = max(config.folds if config.protocol == "k-fold" else 1 for config in configs)
    if len(folds) < asked:
        notes.append(f"{len(folds)} of {asked} folds: the others' patients are missing.")
    if len(folds) == 1:
        notes.append("With one fold, each patient is left out in turn in place of each fold.")
    if folds[0].bundle.manifest.postprocessing.dense_crf:
        notes.append("The models' dense CRF is left out: it needs the image, not logits alone.")
    if any(config.keep == "best" or config.early_stopping is not None for config in configs):
        notes.append(
            "The best epoch of each fold was chosen on the same patients, so the figures flatter; "
            "--keep last makes no choice."
        )
    return notes
