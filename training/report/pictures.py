"""The pictures of one run in a report's folder: charts, and slices of each measured patient."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.reporting.animation import animation
from napari_brainseg.core.reporting.calibration_chart import calibration_chart
from napari_brainseg.core.reporting.curves import Curves, curves_chart
from napari_brainseg.core.reporting.dsc_chart import dsc_chart
from napari_brainseg.core.reporting.overlay import encoded, overlay
from napari_brainseg.core.reporting.resources_chart import resources_chart
from napari_brainseg.core.reporting.triptych import TriptychRow, telling_slices, triptych
from napari_brainseg.core.segmentation.mask_archive import MaskArchive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from training.report.images import PatientImages, Shown
    from training.report.measured import Measured
    from training.report.runs_on_disk import Run

__all__ = ["Pictures", "curves_of", "draw_charts", "draw_patients"]

PAUSE_S = 120.0
"""Without a sample for so long, a run was not running: they are taken every few seconds."""


@dataclass(slots=True)
class Pictures:
    """What was drawn for a run, and what could not be.

    Parameters
    ----------
    charts : dict of str to bytes
        Name of the file, without ending, to PNG.
    triptychs, animations : dict of str to Path
        Patient to PNG and to GIF.
    outlined : dict of str to Path
        Patient to the overlay of the slice with the largest lesion.
    overlays : int
        Number of overlays written.
    missing : list of str
        Patients without pictures, each with the reason.
    """

    charts: dict[str, bytes] = field(default_factory=dict)
    triptychs: dict[str, Path] = field(default_factory=dict)
    animations: dict[str, Path] = field(default_factory=dict)
    outlined: dict[str, Path] = field(default_factory=dict)
    overlays: int = 0
    missing: list[str] = field(default_factory=list)


def curves_of(run: Run) -> Curves | None:
    """Curves of a run; ``None`` where it finished no epoch."""
    if not run.epochs:
        return None
    chosen = run.chosen if run.completed else None
    return Curves(
        name=run.name,
        epochs=[e.epoch for e in run.epochs],
        train_loss=[e.train_loss for e in run.epochs],
        train_dsc=[e.train_dsc for e in run.epochs],
        validation_loss=[e.validation_loss for e in run.epochs],
        validation_dsc=[e.validation_dsc for e in run.epochs],
        chosen_epoch=None if chosen is None else chosen.epoch,
    )


def draw_charts(run: Run, measured: Measured | None, folder: Path) -> Pictures:
    """Draw and write curves, DSC by patient, calibration and use of the machine.

    Parameters
    ----------
    run : Run
        What they show.
    measured : Measured or None
        Its figures, where it has some.
    folder : Path
        Of the run's pictures; made where missing.

    Raises
    ------
    DataError
        If they cannot be written.
    """
    pictures = Pictures()
    charts = pictures.charts
    curves = curves_of(run)
    if curves is not None:
        charts["curves"] = curves_chart(curves)
    if measured is not None:
        charts["dsc"] = dsc_chart(measured.scores)
        calibration = measured.evaluation.calibration
        if calibration is not None:
            charts["calibration"] = calibration_chart(
                [b.probability for b in calibration.bins],
                [b.lesion_share for b in calibration.bins],
                [b.voxels for b in calibration.bins],
                error=calibration.expected_error,
                where=f"voxels within {calibration.band_vox:g} pixels of an outline",
            )
    if len(run.resources) > 1:
        charts["resources"] = resources_chart(
            _at_work([s.time for s in run.resources]),
            cpu_percent=[s.cpu_percent for s in run.resources],
            memory_mb=[s.rss_mb for s in run.resources],
            gpu_percent=[s.gpu_percent for s in run.resources],
            gpu_memory_mb=[s.gpu_memory_mb for s in run.resources],
        )
    for name, content in charts.items():
        _write(folder / f"{name}.png", content)
    return pictures


def draw_patients(
    measured: Measured, images: PatientImages, folder: Path, pictures: Pictures
) -> Iterator[str]:
    """Draw overlays, triptych and animation of each measured patient, one a turn.

    Parameters
    ----------
    measured : Measured
        Whose masks are shown.
    images : PatientImages
        Where images come from.
    folder : Path
        Of the run's pictures.
    pictures : Pictures
        Takes what was drawn; a patient without images or mask is named in ``missing``.

    Yields
    ------
    str
        The patient that is done.

    Raises
    ------
    DataError
        If pictures cannot be written.
    """
    run = measured.run
    try:
        masks = MaskArchive(run.path / "evaluation" / f"{measured.part}_masks.npz")
    except DataError as error:
        pictures.missing.append(error.message)
        yield from measured.scores
        return
    for result in measured.evaluation.patients:
        patient = result.patient
        found = images.find(run.config, patient)
        reason, seen = "its images are not at hand", None
        if found is not None:
            try:
                seen = images.load(found), masks.load(patient)
                reason = _mismatch(*seen, result.volume_truth_vox)
            except DataError as error:
                reason = error.message
        if seen is None or reason:
            pictures.missing.append(f"{patient}: {reason}")
        else:
            title = f"{patient}   DSC {measured.scores[patient]:.3f}"
            _draw_patient(title, patient, *seen, folder, pictures)
        yield patient


def _at_work(times: Sequence[float]) -> list[float]:
    """Seconds since the start; a pause before a run was resumed counts as a moment."""
    seconds = [0.0]
    for before, after in itertools.pairwise(times):
        gap = after - before
        seconds.append(seconds[-1] + (gap if gap < PAUSE_S else 1.0))
    return seconds


def _mismatch(shown: Shown, mask: NDArray[np.uint8], measured_volume: int) -> str:
    """Tell why images at hand are not those that were measured; empty where they are."""
    if mask.shape != shown.truth.shape:
        return f"the images at hand are {shown.truth.shape}, the mask is {mask.shape}"
    volume = int(shown.truth.sum())
    if volume != measured_volume:
        return (
            f"the ground truth at hand has {volume} voxels, the one measured against "
            f"{measured_volume}"
        )
    return ""


def _draw_patient(
    title: str,
    patient: str,
    shown: Shown,
    mask: NDArray[np.uint8],
    folder: Path,
    pictures: Pictures,
) -> None:
    telling = telling_slices(shown.truth, mask)
    for z, number in enumerate(shown.slice_numbers):
        path = folder / "overlays" / f"{patient}-{number:02d}.png"
        _write(path, encoded(overlay(shown.image[z], mask[z], shown.truth[z])))
        pictures.overlays += 1
        if z == next(iter(telling)):
            pictures.outlined[patient] = path
    rows = [
        TriptychRow(
            f"slice {shown.slice_numbers[z]}, {why}", shown.image[z], shown.truth[z], mask[z]
        )
        for z, why in telling.items()
    ]
    film = animation(shown.image, shown.truth, mask, slice_numbers=shown.slice_numbers)
    pictures.triptychs[patient] = folder / "triptychs" / f"{patient}.png"
    pictures.animations[patient] = folder / "gifs" / f"{patient}.gif"
    _write(pictures.triptychs[patient], encoded(triptych(title, rows)))
    _write(pictures.animations[patient], film)


def _write(path: Path, content: bytes) -> None:
    """Write a picture; thousands of them are not each forced onto the disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise DataError(
            f"Cannot write {path}: {error.strerror or error}.", "Check permissions and free space."
        ) from error
