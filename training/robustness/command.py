"""``python -m training robustness``: what becomes of masks under poor conditions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.dataset.splits import same_person
from napari_brainseg.core.formats import discover, read_patient_list
from napari_brainseg.core.imaging import BrainSegError, ConfigError, DataError
from training.calibrate.folds import Fold, read_folds
from training.delivered import open_model
from training.evaluate import show_progress
from training.robustness.conditions import all_conditions, chosen
from training.robustness.measure import mark_phantoms, measure_patients
from training.robustness.partial import Partial
from training.robustness.results import PatientScores, Robustness, summarise

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_brainseg.core.formats import Discovery, StudyFolder
    from napari_brainseg.core.segmentation.bundle import Bundle
    from training.robustness.conditions import Condition

__all__ = ["add_arguments", "main"]

STOPPED = 130
PHANTOMS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "source", nargs="?", help="folder of a bundle or of a run, or name of a bundled model"
    )
    parser.add_argument(
        "--cross-validation", type=Path, metavar="FOLDER",
        help="in its place: every fold's model on the patients that it held out, pooled",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder of patients with masks")
    parser.add_argument(
        "--patients", type=Path, metavar="FILE",
        help="text file with one name a line; left out, the model's validation patients, or all "
        "that it was not trained on",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, required=True, help="write the figures here")
    parser.add_argument(
        "--conditions", nargs="+", metavar="NAME",
        help=f"only these of {', '.join(c.name for c in all_conditions())}",
    )  # fmt: skip
    parser.add_argument(
        "--phantoms", type=int, default=PHANTOMS, metavar="N",
        help=f"phantoms without lesion to predict ({PHANTOMS})",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")


def main(options: argparse.Namespace) -> int:
    """Measure, print a table, write JSON; 0, 1 on a fault, 130 if stopped by Ctrl-C."""
    try:
        if options.phantoms < 0:
            raise ConfigError(f"{options.phantoms} phantoms cannot be made.", "Give 0 or more.")
        folds, notes = _folds(options)
        conditions = chosen(all_conditions(), options.conditions)
        target = options.json.absolute()
        partial = Partial(target, _texts(conditions))
        found = _measured(folds, conditions, partial, notes, options)
        write_atomically(target, found.to_json().encode())
        partial.remove()
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. The same command goes on after the last whole patient.\n")
        return STOPPED
    sys.stdout.write(found.text())
    return 0


def _measured(
    folds: Sequence[Fold],
    conditions: Sequence[Condition],
    partial: Partial,
    notes: Sequence[str],
    options: argparse.Namespace,
) -> Robustness:
    patients: list[PatientScores] = []
    told = list(notes)
    for fold in folds:
        model = fold.bundle.version

        def known(patient: str, engine: str, model: str = model) -> PatientScores | None:
            return partial.known(patient, model, engine)

        for scores in measure_patients(
            fold.bundle, fold.patients, conditions, known=known, device=options.device,
            progress=show_progress,
        ):  # fmt: skip
            if isinstance(scores, str):
                told.append(scores)
            else:
                partial.add(scores)
                patients.append(scores)
    if not patients:
        raise DataError("No patient could be measured.", " ".join(told))
    lesion_free = None
    if options.phantoms:
        lesion_free = mark_phantoms(
            [fold.bundle for fold in folds], options.phantoms, device=options.device,
            progress=show_progress,
        )  # fmt: skip
    return summarise(patients, _texts(conditions), lesion_free=lesion_free, notes=told)


def _texts(conditions: Sequence[Condition]) -> dict[str, str]:
    return {condition.name: condition.what for condition in conditions}


def _folds(options: argparse.Namespace) -> tuple[tuple[Fold, ...], list[str]]:
    """Models with the patients that each is measured on, and what takes from their worth."""
    if (options.source is None) == (options.cross_validation is None):
        raise ConfigError(
            "Give a model or --cross-validation FOLDER, one of the two.",
            "A model is the folder of a bundle or of a run, or the name of a bundled one.",
        )
    if options.cross_validation is not None:
        if options.patients is not None:
            raise ConfigError(
                "A cross-validation is measured on the patients that its folds held out.",
                "Leave --patients out.",
            )
        read = read_folds([options.cross_validation], [options.data])
        return read.folds, list(read.notes)
    bundle = open_model(options.source)
    found = discover(options.data)
    folders = _patients(bundle, found, options.patients)
    learnt = [f.patient for f in folders if same_person(f.patient, bundle.train_patients)]
    notes = [f"The model was trained on {', '.join(learnt)}: no test."] if learnt else []
    if options.patients is None:
        notes += [f"{f.path.name} was not measured: {f.error}" for f in found.faults]
    return (Fold(bundle.name, bundle, tuple(folders)),), notes


def _patients(bundle: Bundle, found: Discovery, names: Path | None) -> list[StudyFolder]:
    if names is not None:
        folders = [found.find(name) for name in dict.fromkeys(read_patient_list(names))]
        without = [f.patient for f in folders if not f.has_masks]
        if without:
            raise DataError(f"Patients without masks: {', '.join(without)}.", "Leave them out.")
        return folders
    with_masks = [folder for folder in found.folders if folder.has_masks]
    own = bundle.manifest.training.get("validation_patients") or ()
    folders = [folder for folder in with_masks if folder.patient in own] or [
        f for f in with_masks if not same_person(f.patient, bundle.train_patients)
    ]
    if not folders:
        raise DataError(
            f"{found.root} holds no patient with masks that the model was not trained on.",
            "Name patients with --patients.",
        )
    return folders
