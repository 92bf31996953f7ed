"""``python -m training calibrate``: temperature and masks from what a cross-validation held out."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import BrainSegError, ConfigError
from napari_brainseg.core.segmentation.bundle import load_bundle
from training.calibrate.folds import read_folds
from training.calibrate.held_out import predict_folds
from training.calibrate.masks import choose_masks
from training.calibrate.results import CalibrationReport
from training.calibrate.temperature import NearOutlines, counts_at, temperatures
from training.calibrate.text import account, report_text
from training.evaluate import show_progress
from training.postprocess.apply import apply_option, refuse_destination
from training.postprocess.search import Option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.segmentation.bundle import Bundle, BundleManifest
    from napari_brainseg.core.segmentation.inference import Progress
    from training.calibrate.folds import Folds

__all__ = ["add_arguments", "calibrate", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "sources",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="what cross-validate wrote, or folders of single folds",
    )
    parser.add_argument("--data", type=Path, nargs="+", help="folders; the runs' own if left out")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="keep logits here: what is predicted already is not predicted again",
    )
    parser.add_argument(
        "--no-tta",
        dest="tta",
        action="store_false",
        help="leave test-time augmentation out: a third of the time",
    )
    parser.add_argument(
        "--apply",
        nargs=2,
        metavar=("MODEL", "FOLDER"),
        help="write MODEL anew into FOLDER, with the temperature and masks chosen",
    )


def main(options: argparse.Namespace) -> int:
    """Calibrate, print tables, write JSON and a new bundle; 0, 1 a fault, 130 stopped."""
    try:
        folds = read_folds(options.sources, options.data)
        model = None
        if options.apply is not None:
            model = load_bundle(options.apply[0])
            _refuse_other(model, folds)
            refuse_destination(model, Path(options.apply[1]))
        with _folder(options.cache) as cache:
            report = calibrate(
                folds, cache, tta=options.tta, device=options.device, progress=show_progress
            )
        sys.stdout.write(report_text(report))
        if options.json is not None:
            write_atomically(options.json.absolute(), report.to_json().encode())
        if model is not None:
            _apply(model, report, Path(options.apply[1]))
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def calibrate(
    folds: Folds,
    cache: Path,
    *,
    tta: bool = True,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> CalibrationReport:
    """Predict what was held out, fit a temperature, and choose how masks are made.

    Parameters
    ----------
    folds : Folds
        As `read_folds` gives them.
    cache : Path
        Folder for logits.
    tta : bool
        Measure test-time augmentation too.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    progress : callable, optional
        Called before each patient.

    Raises
    ------
    DataError
        If a patient cannot be read, the cache cannot be written, or nobody has an outline.
    ModelError
        If a model or the device cannot be used.
    """
    manifest = folds.folds[0].bundle.manifest
    kept = predict_folds(folds.folds, cache, tta=tta, device=device, progress=progress)
    near = []
    for patient in kept:
        held_out = patient.load()
        near.append(NearOutlines.of(held_out.logits, held_out.truth))
    fitted = temperatures(near, folds.groups)
    before, nll_before = counts_at(near, [manifest.temperature] * len(near))
    after, nll_after = counts_at(near, [fitted.without[group] for group in folds.groups])
    notes = folds.notes
    if fitted.at_limit:
        notes = (*notes, "A temperature lies where the search ends: the models are far off.")
    return CalibrationReport(
        models=tuple(fold.bundle.version for fold in folds.folds),
        patients=len(kept),
        voxels=before.voxels,
        temperature_now=manifest.temperature,
        temperature=fitted.overall,
        fold_temperatures=fitted.without,
        nll_before=nll_before,
        nll_after=nll_after,
        ece_before=before.expected_error,
        ece_after=after.expected_error,
        # of one temperature for all: which one ranks no voxel anew, several would
        auroc=before.uncertainty_auroc,
        reliability_before=before.bins,
        reliability_after=after.bins,
        masks=choose_masks(
            kept, folds.groups, fitted.overall, _at(manifest, fitted.overall), tta=tta,
            progress=progress,
        ),
        notes=notes,
    )  # fmt: skip


def _at(manifest: BundleManifest, temperature: float) -> Option:
    """Say what a model delivers now, its threshold named at another temperature."""
    from scipy.special import expit, logit

    threshold = manifest.threshold
    if manifest.temperature != temperature:
        threshold = float(expit(logit(threshold) * manifest.temperature / temperature))
    return Option(threshold, manifest.postprocessing.model_copy(update={"dense_crf": 0.0}))


@contextlib.contextmanager
def _folder(cache: Path | None) -> Iterator[Path]:
    if cache is not None:
        yield cache
        return
    with tempfile.TemporaryDirectory(prefix="brainseg-calibrate-") as folder:
        yield Path(folder)


def _refuse_other(model: Bundle, folds: Folds) -> None:
    first = folds.folds[0]
    for name in ("network", "preprocessing"):
        own, other = (getattr(b.manifest, name) for b in (model, first.bundle))
        if own != other:
            raise ConfigError(
                f"{model.version} and the folds' models differ in {name}: {own} and {other}.",
                "What is found of one kind of model says nothing of another.",
            )


def _apply(model: Bundle, report: CalibrationReport, destination: Path) -> None:
    way, figures = report.masks.taken.way, report.masks.taken_cross_fitted
    made = apply_option(
        model,
        Option(way.threshold, way.postprocessing),
        destination,
        temperature=report.temperature,
        metrics={
            "cross_validated_dsc": figures.dsc_mean,
            "cross_validated_dsc_median": figures.dsc_median,
        },
        record={
            "chosen_with": list(report.models),
            "patients": report.patients,
            "options_tried": report.masks.options,
            "rule": report.masks.rule,
        },
        account=account(report),
    )
    sys.stdout.write(f"{made.version} in {made.path}\n")
