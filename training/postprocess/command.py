"""``python -m training postprocess``: choose how masks are made, on validation patients only."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION, same_person
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import BrainSegError, ConfigError, DataError, Modality
from napari_brainseg.core.protocol import load_config
from napari_brainseg.core.segmentation.dense_crf import require_dense_crf
from napari_brainseg.core.segmentation.inference import Progress
from napari_brainseg.core.segmentation.predictor import Predictor
from training.evaluate import named_folders, patients_at_hand, run_bundle, show_progress
from training.postprocess.apply import apply_option, refuse_destination
from training.postprocess.findings import Findings
from training.postprocess.search import Option, choose, grid, left_out, score

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = ["add_arguments", "main", "search"]

LEAST_PATIENTS = 3
"""To leave one out and still have differences with a spread."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, help="folder of the run")
    parser.add_argument("--data", type=Path, nargs="+", help="folders; the run's own if left out")
    parser.add_argument("--patients", nargs="+", help="only these of its validation patients")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--dense-crf", action="store_true", help="try a dense CRF too (needs the extra crf)"
    )
    parser.add_argument("--json", type=Path, help="write all options and figures here")
    parser.add_argument(
        "--apply", type=Path, metavar="FOLDER", help="write a new model that delivers the choice"
    )


def main(options: argparse.Namespace) -> int:
    """Search, print a table, write JSON and a new bundle; returns the exit code."""
    try:
        config = load_config(options.run_dir / "config.json")
        with run_bundle(options.run_dir, config) as bundle:
            if options.apply is not None:
                if not bundle.path.is_relative_to(options.run_dir.resolve()):
                    raise ConfigError(
                        f"The run in {options.run_dir} has no model yet to make another of.",
                        "Let it end first.",
                    )
                refuse_destination(bundle, options.apply)
            names, notes = _patients(bundle, config, options.patients)
            found = patients_at_hand(config, options.data)
            findings = search(
                bundle, named_folders(names, found), dense_crf=options.dense_crf, notes=notes,
                device=options.device, progress=show_progress,
            )  # fmt: skip
            sys.stdout.write(findings.text())
            if options.json is not None:
                text = json.dumps({"model": bundle.version, **findings.as_json()}, indent=2)
                write_atomically(options.json.absolute(), f"{text}\n".encode())
            if options.apply is not None:
                _apply(bundle, findings, options.apply)
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def search(
    bundle: Bundle,
    folders: Sequence[StudyFolder],
    *,
    dense_crf: bool = False,
    notes: Iterable[str] = (),
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> Findings:
    """Predict each patient once, score every option on it, and choose.

    Parameters
    ----------
    bundle : Bundle
        The model; its own threshold and steps are among the options.
    folders : sequence of StudyFolder
        Validation patients with masks, three at least.
    dense_crf : bool
        Try every option with a dense CRF too.
    notes : iterable of str
        What takes from the figures' worth.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    progress : callable, optional
        Called before each patient, and once at the end.

    Raises
    ------
    DataError
        If a patient has no masks or cannot be read, or there are too few.
    ModelError
        If the model or device cannot be used, or the dense CRF is not installed.
    """
    import numpy as np

    if dense_crf:
        require_dense_crf()
    without = [folder.patient for folder in folders if not folder.has_masks]
    if without:
        raise DataError(
            f"Patients without masks: {', '.join(without)}.", "Leave them out with --patients."
        )
    if len(folders) < LEAST_PATIENTS:
        raise DataError(
            f"{len(folders)} validation patients are too few to choose on.",
            f"At least {LEAST_PATIENTS} are needed; else keep the plain threshold.",
        )
    now = Option(bundle.manifest.threshold, bundle.manifest.postprocessing)
    options = tuple(dict.fromkeys((*grid(dense_crf=dense_crf), now)))
    rows = []
    with Predictor(bundle, device) as predictor:
        for done, folder in enumerate(folders):
            if progress is not None:
                progress(Progress(folder.patient, done, len(folders)))
            study = load_study(folder)
            assert study.truth is not None
            probability = predictor.predict(study).probability
            flair = study.image.channel(Modality.FLAIR)
            rows.append(score(probability, study.truth.data, options, flair=flair))
    if progress is not None:
        progress(Progress("Done", len(folders), len(folders)))
    scores = np.array(rows)
    best, taken = choose(scores, options)
    best_left_out, taken_left_out = left_out(scores, options)
    return Findings(
        patients=tuple(folder.patient for folder in folders),
        options=options,
        scores=scores,
        current=options.index(now),
        best=best,
        taken=taken,
        best_left_out=best_left_out,
        taken_left_out=taken_left_out,
        notes=tuple(notes),
    )


def _patients(
    bundle: Bundle, config: RunConfig, asked: Sequence[str] | None
) -> tuple[tuple[str, ...], list[str]]:
    """Name the patients to choose on, and what takes from their worth; others are refused."""
    own = bundle.manifest.training.get("validation_patients") or config.validation_patients or ()
    if not own:
        raise ConfigError("The run has no validation patients to choose on.", "Train with some.")
    strangers = [name for name in asked or () if name not in own]
    if strangers:
        raise ConfigError(
            f"No validation patients of the run: {', '.join(strangers)}.",
            f"Nothing is chosen on others. It has {', '.join(own)}.",
        )
    names = tuple(asked or own)
    notes = []
    kept_back = {*config.test_patients}
    if config.protocol == "reference":
        notes.append(
            "the reference protocol reports the patients that it chooses on: this choice flatters "
            "its figure once more."
        )
    else:
        kept_back |= {*REFERENCE_VALIDATION}
    refused = [name for name in names if same_person(name, kept_back)]
    if refused:
        raise ConfigError(
            f"These are test patients or reference patients: {', '.join(refused)}.",
            "Figures are reported of them, so nothing may be chosen on them. Name the others "
            "with --patients.",
        )
    learnt = [name for name in names if same_person(name, bundle.train_patients)]
    if learnt:
        notes.append(f"the model, or one it descends from, was trained on {', '.join(learnt)}.")
    return names, notes


def _apply(bundle: Bundle, findings: Findings, destination: Path) -> None:
    if findings.taken == findings.current:
        sys.stdout.write("The model delivers so already; no other was written.\n")
        return
    made = apply_option(
        bundle,
        findings.choice,
        destination,
        metrics=findings.metrics(),
        record=findings.record(),
        account=findings.account(),
    )
    sys.stdout.write(f"{made.version} in {made.path}\n")
