"""What the corners of the picture say of the open case, line by line."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication

from napari_brainseg.core.imaging import Modality
from napari_brainseg.session.health import short_version
from napari_brainseg.viewer import colours
from napari_brainseg.viewer.display import DIFFERENCE_NAME
from napari_brainseg.widgets import numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.slice_facts import SliceFacts
    from napari_brainseg.viewer.display import Display

__all__ = ["Line", "bottom_left", "bottom_right", "top_left", "top_right"]

NEEDED, USEFUL, EXTRA = 0, 1, 2
_REASON_WIDTH = 38  # characters
_COMPOSITE = ("#FF5555", "#55DD55", "#7799FF")  # red, green and blue as they read on black


@dataclass(frozen=True, slots=True)
class Line:
    """One line in a corner.

    Parameters
    ----------
    text : str
        As people read it.
    level : int
        0 is always shown, 1 if there is room, 2 if there is plenty.
    swatch : str
        Colour of a square before it, none if empty.
    bold : bool
        Whether it is the corner's main line.
    """

    text: str
    level: int = NEEDED
    swatch: str = ""
    bold: bool = False

    @property
    def html(self) -> str:
        """The line as rich text."""
        text = escape(self.text).replace("  ", "&nbsp;&nbsp;")
        if self.bold:
            text = f"<b>{text}</b>"
        if self.swatch:
            text = f'<span style="color:{self.swatch}">■</span> {text}'
        return text


def _tr(text: str) -> str:
    return QCoreApplication.translate("Corners", text)


def top_left(
    case: Case,
    desk: Desk,
    slice_index: int,
    *,
    flat: bool,
    modality: Modality | None = None,
) -> list[Line]:
    """Patient, slice, status.

    Parameters
    ----------
    case : Case
        On show.
    desk : Desk
        Its worklist numbers the patients where names are hidden.
    slice_index : int
        On show, 0-based.
    flat : bool
        Whether slices are shown, and not 3D.
    modality : Modality, optional
        On show; that a slice of it is blank is said, as where files of a stack are missing.
    """
    lines = [Line(patient_name(case, desk), bold=True)]
    if flat:
        text = _tr("slice {i} of {n}").format(i=slice_index + 1, n=case.shape[0])
        number = case.study.slice_numbers[slice_index]
        if number != slice_index + 1:
            text += _tr(" (number {k})").format(k=number)
        lines.append(Line(text))
        if modality is not None and _is_blank(case.study.shown(modality)[slice_index]):
            lines.append(Line(_tr("blank: no image in this slice")))
    lines.append(Line(_tr(case.status.value), USEFUL))
    if case.is_blind:
        lines.append(Line(_tr("read without the prediction"), USEFUL))
    return lines


def _is_blank(image: NDArray[Any]) -> bool:
    return bool((image == image[0, 0]).all())


def patient_name(case: Case, desk: Desk) -> str:
    """Name of the patient, or its number where identifiers are hidden."""
    if not desk.preferences.get("hide_identifiers"):
        return case.patient
    patients = [row.patient for row in desk.worklist.rows]
    if case.patient not in patients:
        return _tr("Patient")
    return _tr("Patient {i} of {n}").format(i=patients.index(case.patient) + 1, n=len(patients))


def top_right(display: Display, *, flat: bool) -> list[Line]:
    """Modality, window and level, how greys are shown; nothing of them in 3D."""
    if not flat:
        return []
    if display.composite:
        shown = zip(display.modalities, _COMPOSITE, strict=False)
        return [
            Line(_tr("colour composite"), bold=True),
            *(Line(str(modality), USEFUL, swatch) for modality, swatch in shown),
        ]
    name = _tr("CT") if display.is_ct(display.modality) else str(display.modality)
    if display.is_missing(display.modality):
        stands_in = not display.is_missing(Modality.FLAIR)
        words = (
            _tr("{modality} (missing, FLAIR stands in)")
            if stands_in
            else _tr("{modality} (missing)")
        )
        name = words.format(modality=name)
    low, high = display.window()
    window = _tr("W {w}  L {l}").format(w=_grey(high - low), l=_grey((low + high) / 2))
    lines = [Line(name, bold=True), Line(window, USEFUL)]
    if display.inverted:
        lines.append(Line(_tr("inverted"), USEFUL))
    return lines


def bottom_left(case: Case | None) -> list[Line]:
    """Which model, how long it took, and what this is not."""
    lines = []
    prediction = None if case is None else case.prediction
    if prediction is not None:
        model = _tr("model {version}").format(version=short_version(prediction.model_version))
        lines.append(Line(model, USEFUL))
        total = prediction.timings.get("total")
        seconds = "" if total is None else f", {numbers.duration(total)}"
        lines.append(Line(prediction.engine + seconds, EXTRA))
    lines.append(Line(_tr("not for diagnosis"), bold=True))
    return lines


def bottom_right(case: Case, desk: Desk, display: Display, facts: SliceFacts | None) -> list[Line]:
    """Figures of the case, legend of the difference, and why this case came up."""
    lines = []
    suggestion = desk.suggestion
    if suggestion is not None and suggestion.patient == case.patient and suggestion.reason:
        lines += [Line(text, EXTRA) for text in textwrap.wrap(suggestion.reason, _REASON_WIDTH)]
    lines += _legend(display)
    if facts is not None:
        lines += _figures(case, facts)
    if case.prediction is not None and display.threshold != display.delivered_threshold:
        lines.append(
            Line(
                _tr("threshold {now:.2f}, the model's is {usual:.2f}").format(
                    now=display.threshold, usual=display.delivered_threshold
                ),
                USEFUL,
            )
        )
    return lines


def _figures(case: Case, facts: SliceFacts) -> list[Line]:
    mine = facts.correction is not None
    areas = facts.correction if mine else facts.prediction
    if areas is None:
        return []
    whose, colour = (
        (_tr("mine"), colours.CORRECTION) if mine else (_tr("prediction"), colours.PREDICTION)
    )
    count = int(areas.sum())
    ml = case.study.image.geometry.voxel_volume_ml
    size = numbers.volume(count, None if ml is None else count * ml)
    text = f"{whose}  {size}"
    if facts.truth is not None and facts.disagreement is not None:
        both = count + int(facts.truth.sum())
        dsc = 1.0 if both == 0 else (both - int(facts.disagreement.sum())) / both
        text = _tr("{whose}  DSC {dsc}, {size}").format(
            whose=whose, dsc=numbers.dsc(dsc), size=size
        )
    return [Line(text, NEEDED, colour)]


def _legend(display: Display) -> Iterable[Line]:
    if not display.is_shown(DIFFERENCE_NAME) or display.masks_hidden or display.suspended:
        return []
    counts = display.difference_counts()
    agree, more, fewer = (
        ("", "", "") if counts is None else (f"  {numbers.voxels(c)}" for c in counts)
    )
    return [
        Line(_tr("= agreement") + agree, USEFUL, colours.TRUE_POSITIVE),
        Line(_tr("+ false positive") + more, USEFUL, colours.FALSE_POSITIVE),
        Line(_tr("− false negative") + fewer, USEFUL, colours.FALSE_NEGATIVE),
    ]


def _grey(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"
