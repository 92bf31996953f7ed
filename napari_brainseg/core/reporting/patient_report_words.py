"""What stands on the page of a report, in words: the same for HTML and PDF."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging.measuring import Quantity, Unit
from napari_brainseg.core.reporting.key_pictures import LINES
from napari_brainseg.core.reporting.patient_report import Basis
from napari_brainseg.core.reporting.report_numbers import (
    DASH,
    count,
    duration,
    length,
    moment,
    number,
    percent,
    volume,
)

if TYPE_CHECKING:
    from napari_brainseg.core.reporting.follow_up import Change, FollowUp, FollowUpPoint
    from napari_brainseg.core.reporting.key_pictures import Line
    from napari_brainseg.core.reporting.patient_report import PatientReport

__all__ = ["BRIEF", "FULL", "NOT_FOR_DIAGNOSIS", "Figure", "FollowUpTable", "Limits", "PageWords",
           "Section", "page_words"]  # fmt: skip

NOT_FOR_DIAGNOSIS = "Not for diagnosis. Research software, not a medical device."
_FROM = {"prediction": "a prediction", "truth": "the ground truth", "empty": "an empty mask"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what may be long is said; the page tells that there is more.

    Parameters
    ----------
    note, value, warning : int
        Letters.
    warnings, measurements, studies : int
        Lines.
    """

    note: int = 180
    value: int = 64
    warning: int = 160
    warnings: int = 3
    measurements: int = 6
    studies: int = 6


FULL = Limits()
BRIEF = Limits(90, 40, 110, 2, 3, 4)
"""Where the pictures would be too small otherwise."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in large type."""

    label: str
    value: str
    detail: str = ""
    weight: float = 1.0
    """Share of the row that it needs."""


@dataclass(frozen=True, slots=True)
class Section:
    """Names with values under a title."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FollowUpTable:
    """Volume over time."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    this_row: int
    """Row of the report's own study."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageWords:
    """All texts of the page, in their order."""

    title: str
    patient: str
    about: str
    identity: tuple[tuple[str, str], ...]
    basis: str
    is_approved: bool
    basis_detail: str
    figures: tuple[Figure, ...]
    captions: tuple[str, ...]
    legend: tuple[Line, ...]
    picture_note: str
    left: tuple[Section, ...]
    right: tuple[Section, ...]
    follow_up: FollowUpTable | None
    warnings: tuple[str, ...]
    foot: tuple[str, ...]


def page_words(report: PatientReport, limits: Limits = FULL) -> PageWords:
    """Put a report into words."""
    about = [report.study_date and f"study of {report.study_date}"]
    about += report.attributes.values()
    basis, detail = _basis(report)
    return PageWords(
        title=report.heading or "Segmentation report",
        patient=report.patient,
        about=_short(" · ".join(part for part in about if part), 160),
        identity=tuple(
            (name, _short(value, limits.value)) for name, value in report.identity.items() if value
        ),
        basis=basis,
        is_approved=report.basis is Basis.APPROVED,
        basis_detail=detail,
        figures=_figures(report),
        captions=tuple(_caption(report, position) for position in range(len(report.key_slices))),
        legend=tuple(LINES[name] for name in LINES if name in report.outlines),
        picture_note=_picture_note(report),
        left=tuple(s for s in (_review(report, limits), _model(report)) if s.rows),
        right=tuple(s for s in (_study(report, limits), _measurements(report, limits)) if s.rows),
        follow_up=None if report.follow_up is None else _follow_up(report.follow_up, limits),
        warnings=_warnings(report, limits),
        foot=_foot(report),
    )


def _basis(report: PatientReport) -> tuple[str, str]:
    work, sign_off = report.work, report.sign_off
    words = str(report.basis)
    if work is None:
        detail = "Nobody corrected or approved it."
        if report.model is not None:
            detail = f"Made by model {report.model.version}; nobody corrected or approved it."
        if report.basis is Basis.TRUTH:
            detail = "The mask that came with the files; not made or checked here."
        if sign_off is not None:
            detail = f"Marked as {sign_off.act} by {sign_off.by} on {moment(sign_off.at)}."
        return words.capitalize(), detail
    start = _FROM.get(work.base, work.base)
    if work.base_version and work.base == "prediction":
        start = f"the prediction of model {work.base_version}"
    if work.strokes:
        strokes = "1 stroke" if work.strokes == 1 else f"{count(work.strokes)} strokes"
        detail = (
            f"Corrected by {' and '.join(work.editors)} from {start}: {strokes}, "
            f"{duration(work.seconds)}."
        )
    else:
        detail = f"Taken over from {start} by {' and '.join(work.editors)} without changes."
    if sign_off is not None:
        detail += f" {sign_off.act.capitalize()} by {sign_off.by} on {moment(sign_off.at)}."
        if report.basis is Basis.CHANGED:
            detail += " Painted on since: this is not the mask that was approved."
    return words[0].upper() + words[1:], _short(detail, 300)


def _figures(report: PatientReport) -> tuple[Figure, ...]:
    lesion, diameters = report.lesion, report.lesion.diameters
    figures = [
        Figure(
            "Lesion volume",
            volume(lesion.voxels, lesion.ml),
            f"{count(lesion.voxels)} voxels" if lesion.ml is not None else "voxel size unknown",
            1.25,
        )
    ]
    if diameters is not None:
        unit = diameters.unit
        long, across = length(diameters.longest, unit), length(diameters.perpendicular, unit)
        product = length(diameters.product, f"{unit}2")
        figures.append(
            Figure(
                "Largest diameters",
                f"{long.rsplit(' ', 1)[0]} × {across}",
                f"slice {diameters.slice_index + 1}, product {product}",
                1.4,
            )
        )
    figures.append(
        Figure(
            "Components",
            count(lesion.components),
            f"in {count(lesion.slices)} of {count(lesion.of_slices)} slices",
            0.8,
        )
    )
    for agreement in report.agreements[:1]:
        distance = (
            f"HD95 {length(agreement.hd95, agreement.unit)}"
            if not math.isnan(agreement.hd95)
            else "one mask is empty: no HD95"
        )
        figures.append(Figure("DSC with ground truth", f"{agreement.dsc:.3f}", distance))
    if report.model is not None and report.model.uncertainty is not None:
        figures.append(
            Figure("Model uncertainty", f"{report.model.uncertainty:.2f} bit", "at the outline")
        )
    return tuple(figures)


def _caption(report: PatientReport, position: int) -> str:
    key = report.key_slices[position]
    return " – ".join((f"Slice {key.index + 1}", *([", ".join(key.why)] if key.why else [])))


def _picture_note(report: PatientReport) -> str:
    parts = [f"{report.modality}, axial"]
    if report.has_orientation:
        parts.append("patient's right on the left of the picture")
    else:
        parts.append("left and right unknown")
    if report.spacing_mm is None:
        parts.append("no scale bar: pixel size unknown")
    return "; ".join(parts) + "."


def _review(report: PatientReport, limits: Limits) -> Section:
    work, sign_off = report.work, report.sign_off
    rows: list[tuple[str, str]] = []
    if work is not None:
        rows.append(("Corrected by", ", ".join(work.editors)))
        when = work.last or work.started
        if when is not None:
            rows.append(("Last change", moment(when)))
        rows.append(
            ("Changed voxels", f"{count(work.added_vox)} added, {count(work.removed_vox)} removed")
        )
    if sign_off is not None:
        rows.append((sign_off.act.capitalize(), f"{sign_off.by}, {moment(sign_off.at)}"))
        if sign_off.second_reader:
            rows.append(("Second reader", sign_off.second_reader))
        if sign_off.note:
            rows.append(("Note", sign_off.note))
    elif work is not None:
        rows.append(("Approved", "no"))
    return Section("Review", tuple((name, _short(value, limits.note)) for name, value in rows))


def _model(report: PatientReport) -> Section:
    rows: list[tuple[str, str]] = []
    base = None if report.work is None else report.work.base_version
    if report.model is not None:
        rows.append(("Prediction by", report.model.version))
        if report.model.engine:
            rows.append(("Engine", report.model.engine))
        if report.model.disagreement is not None:
            rows.append(
                ("Mirrored view", f"DSC {1 - report.model.disagreement:.3f} with the plain one")
            )
    if base and (report.model is None or base != report.model.version):
        rows.append(("Started from", base))
    rows += [
        (
            f"DSC of {agreement.of}",
            f"{agreement.dsc:.3f}"
            + (
                ""
                if math.isnan(agreement.hd95)
                else f", HD95 {length(agreement.hd95, agreement.unit)}"
            ),
        )
        for agreement in report.agreements[1:]
    ]
    return Section("Model", tuple((name, _short(value, FULL.value)) for name, value in rows))


def _study(report: PatientReport, limits: Limits) -> Section:
    rows = list(report.source)
    if report.spacing_mm is None:
        rows.append(("Voxel size", "unknown"))
    else:
        z, y, x = report.spacing_mm
        rows.append(("Voxel size", f"{_mm(y)} × {_mm(x)} mm, slices every {_mm(z)} mm"))
    return Section("Study", tuple((name, _short(value, limits.value)) for name, value in rows))


def _measurements(report: PatientReport, limits: Limits) -> Section:
    shown = report.measurements[: limits.measurements]
    rows = [
        (
            _short(line.label or line.kind.capitalize(), 24),
            f"{Quantity(line.value, Unit(line.unit)).text}, {line.plane}",
        )
        for line in shown
    ]
    more = len(report.measurements) - len(shown)
    if more:
        rows.append(("Further", f"{more} more in the case"))
    return Section("Measurements", tuple(rows))


def _follow_up(follow_up: FollowUp, limits: Limits) -> FollowUpTable:
    points = follow_up.points
    notes = ["Change from the first study, and from the smallest volume before (nadir)."]
    if len(points) > limits.studies:
        this = next((p for p in points if p.is_this), points[-1])
        kept = {points[0].study, this.study}
        for point in reversed(points):
            if len(kept) < limits.studies:
                kept.add(point.study)
        notes.append(f"{len(points) - len(kept)} studies between are in the chart only.")
        points = tuple(p for p in points if p.study in kept)
    rows = tuple(
        (
            point.day.isoformat() if point.day else point.study,
            _point_volume(follow_up, point),
            _change(follow_up.since_first(point)),
            _change(follow_up.since_smallest(point)),
            _stands_on(point),
        )
        for point in points
    )
    if any("*" in cell for row in rows for cell in row):
        notes.append("* compares volumes that stand on different things: read with care.")
    if follow_up.unit == "vox":
        notes.append("Voxel size unknown: changes hold only if all studies have the same.")
    this_row = next((i for i, p in enumerate(points) if p.is_this), -1)
    return FollowUpTable(
        ("Study", "Volume", "From first", "From least", "Stands on"),
        rows,
        this_row,
        tuple(notes),
    )


def _point_volume(follow_up: FollowUp, point: FollowUpPoint) -> str:
    if point.voxels is None:
        return "no mask yet"
    return volume(point.voxels, point.ml if follow_up.unit == "ml" else None)


def _change(change: Change) -> str:
    text = percent(change.share)
    return f"{text} *" if change.is_mixed and change.share is not None else text


def _stands_on(point: FollowUpPoint) -> str:
    if point.basis is None:
        return DASH
    if point.basis is Basis.PREDICTION:
        return f"prediction by {point.model_version}" if point.model_version else "prediction"
    return str(point.basis)


def _warnings(report: PatientReport, limits: Limits) -> tuple[str, ...]:
    shown = [_short(text, limits.warning) for text in report.warnings[: limits.warnings]]
    more = len(report.warnings) - len(shown)
    if more:
        shown.append(f"{more} more; they stand in the window beside the case.")
    return tuple(shown)


def _foot(report: PatientReport) -> tuple[str, ...]:
    lines = []
    if report.lesion.diameters is not None:
        lines.append(
            "Diameters: longest in one axial slice and the longest perpendicular to it in the same "
            "component, as in RANO (Wen et al. 2010, doi 10.1200/JCO.2009.26.3541), but of the "
            "lesion as outlined here, enhancing or not."
        )
    lines.append(
        f"{NOT_FOR_DIAGNOSIS} BrainSeg {report.software_version}, {moment(report.created)}."
    )
    return tuple(lines)


def _mm(value: float) -> str:
    return number(value, 2).rstrip("0").rstrip(".")


def _short(text: str, most: int) -> str:
    """One line of at most so many letters; an ellipsis tells that there is more."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
