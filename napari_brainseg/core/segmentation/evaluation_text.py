"""Figures over patients in words, for every command that prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.segmentation.evaluation_results import POOR_DSC

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.segmentation.evaluation_results import Evaluation, Figure, Tally

__all__ = ["FIGURE_NAMES", "figure_text", "summary_lines", "tally_lines"]

FIGURE_NAMES = {
    "dsc_reference": "DSC reference",
    "dsc_native": "DSC native",
    "dsc_native_lcc": "DSC native, largest component",
    "sensitivity": "sensitivity",
    "precision": "precision",
    "relative_volume_error": "relative volume error",
    "hd95_vox": "HD95 in voxels",
    "hd95_mm": "HD95 in mm",
}
COARSE = ("hd95_vox", "hd95_mm")
"""Figures with one decimal."""


def summary_lines(evaluation: Evaluation) -> list[str]:
    """Write means and medians with their intervals, counts and calibration, a line each.

    HD95 in mm is left out where no patient's spacing is known.
    """
    summary = evaluation.summary
    lines = [
        f"{label}: {figure_text(figure, 1 if name in COARSE else 4, summary.patients)}"
        for name, label in FIGURE_NAMES.items()
        if (figure := getattr(summary, name)).patients or name != "hd95_mm"
    ]
    if summary.tally is not None:
        lines += tally_lines(summary.tally)
    if (calibration := evaluation.calibration) is not None:
        auroc = calibration.uncertainty_auroc
        found = "" if auroc is None else f"; uncertainty finds errors with AUROC {auroc:.3f}"
        lines.append(
            f"calibration error: {calibration.expected_error:.4f} within "
            f"{calibration.band_vox:g} pixels of the outlines{found}"
        )
    return lines


def figure_text(figure: Figure, digits: int = 4, patients: int | None = None) -> str:
    """Write mean and median, each with its 95 % interval, and the range.

    Parameters
    ----------
    figure : Figure
        What is told.
    digits : int
        Decimals.
    patients : int, optional
        How many there are; the figure's own number is told where it differs.
    """
    if figure.mean is None or figure.median is None:
        return "undefined"

    def text(value: float | None) -> str:
        return f"{value:.{digits}f}"

    told = (
        f"mean {_with_interval(text, figure.mean, figure.mean_interval)}, "
        f"median {_with_interval(text, figure.median, figure.median_interval)}, "
        f"{text(figure.least)} to {text(figure.greatest)}"
    )
    return told if patients in (None, figure.patients) else f"{told}; n = {figure.patients}"


def tally_lines(tally: Tally) -> list[str]:
    """Write the patients under 0.5 DSC, and the slices without lesion that were marked."""
    lines = [
        f"patients under {POOR_DSC:g} DSC: "
        f"{_share(tally.under_half, tally.patients, tally.under_half_share)}"
    ]
    marked, free = tally.lesion_free_slices_marked, tally.lesion_free_slices
    if marked is not None and free is not None:
        told = _share(marked, free, tally.lesion_free_slices_marked_share)
        lines.append(f"lesion-free slices marked: {told}")
    return lines


def _with_interval(
    text: Callable[[float], str], value: float, interval: tuple[float, float] | None
) -> str:
    if interval is None:
        return text(value)
    return f"{text(value)} ({text(interval[0])} to {text(interval[1])})"


def _share(part: int, whole: int, share: float | None) -> str:
    percent = "" if share is None else f" ({100 * share:.1f} %)"
    return f"{part} of {whole}{percent}"
