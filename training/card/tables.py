"""Figures as Markdown tables and phrases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.segmentation.evaluation_text import FIGURE_NAMES
from training.report.words import with_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_brainseg.core.segmentation.evaluation_results import Figure, PatientResult

__all__ = ["figure_table", "number", "patient_table", "table"]


def number(value: float | None, places: int = 3) -> str:
    """Write a figure; ``-`` where there is none."""
    return "-" if value is None else f"{value:.{places}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; the first column holds names, the others figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def figure_table(figures: Mapping[str, Figure]) -> str:
    """Write means and medians with their intervals; figures that no patient has are left out."""
    rows = []
    for name, words in FIGURE_NAMES.items():
        figure = figures.get(name)
        if figure is None or figure.mean is None:
            continue
        rows.append(
            (
                words,
                str(figure.patients),
                with_interval(figure.mean, figure.mean_interval),
                with_interval(figure.median, figure.median_interval),
                f"{number(figure.least)} to {number(figure.greatest)}",
            )
        )
    head = ("figure", "patients", "mean (95 % interval)", "median (95 % interval)", "range")
    return table(head, rows)


def patient_table(results: Sequence[PatientResult]) -> str:
    """Write a row for each patient, in the order given."""
    head = (
        "patient", "slices", "lesion (voxels)", "DSC reference", "DSC native",
        "largest component", "HD95 (voxels)", "sensitivity", "precision",
        "lesion-free slices marked",
    )  # fmt: skip
    rows = [
        (
            r.patient,
            str(r.slices),
            f"{r.volume_truth_vox:,}",
            number(r.dsc_reference),
            number(r.dsc_native),
            number(r.dsc_native_lcc),
            number(r.hd95_vox, 1),
            number(r.sensitivity, 2),
            number(r.precision, 2),
            _of(r.lesion_free_slices_marked, r.lesion_free_slices),
        )
        for r in results
    ]
    return table(head, rows)


def _of(part: int | None, whole: int | None) -> str:
    return "-" if part is None or whole is None else f"{part} of {whole}"
