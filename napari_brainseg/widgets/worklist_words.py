"""A row of the worklist in words: its tooltip, and what a screen reader says."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

from napari_brainseg.core.imaging import Modality
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.worklist_filter import own_kind, status_word

if TYPE_CHECKING:
    from napari_brainseg.session.worklist_row import WorklistRow
    from napari_brainseg.widgets.worklist_names import Names

__all__ = ["key_figure", "missing_words", "slices_words", "spoken", "tip"]


def key_figure(row: WorklistRow) -> str:
    """Return the one figure that tells most: DSC, else volume, else the number of slices.

    Short, for a line beside the name: DSC with two digits.
    """
    if row.dsc is not None:
        return _tr("DSC {dsc}").format(dsc=f"{row.dsc:.2f}")
    if row.volume_vox is not None:
        return numbers.volume(row.volume_vox, row.volume_ml)
    return slices_words(row.slices)


def slices_words(slices: int) -> str:
    """Return ``1 slice``, ``20 slices``, or nothing where the number is not known."""
    if slices == 1:
        return _tr("1 slice")
    return _tr("{n} slices").format(n=slices) if slices else ""


def missing_words(missing: tuple[str, ...]) -> str:
    """Return ``no pre``, short for a line; without FLAIR the others do not matter."""
    if str(Modality.FLAIR.value) in missing:
        missing = (str(Modality.FLAIR.value),)
    return _tr("no {names}").format(names=", ".join(name.split("-")[0] for name in missing))


def tip(row: WorklistRow, names: Names) -> str:
    """Return the tooltip of a row, as rich text so that long lines wrap."""
    head, *rest = _lines(row, names)
    body = "<br>".join(escape(line) for line in rest)
    return f"<b>{escape(head)}</b><br>{body}"


def spoken(row: WorklistRow, names: Names, *, is_open: bool) -> str:
    """Return a row as a screen reader says it."""
    lines = _lines(row, names)
    if is_open:
        lines.insert(1, _tr("open"))
    return ", ".join(line.rstrip(".") for line in lines)


def _lines(row: WorklistRow, names: Names) -> list[str]:
    lines = [names.full(row.patient)]
    if row.vanished:
        lines.append(_tr("Not in the folder any more; what is known of it is kept."))
    if row.fault:
        lines.append(names.scrub(f"{row.fault} {row.hint or ''}".strip()))
    if row.open_elsewhere:
        lines.append(_tr("Open elsewhere: {who}").format(who=row.open_elsewhere))
    facts = [status_word(row.status if not row.fault else own_kind(row)), slices_words(row.slices)]
    if row.missing:
        facts.append(_tr("{names} missing").format(names=", ".join(row.missing)))
    lines.append(", ".join(fact for fact in facts if fact))
    figures = []
    if row.volume_vox is not None:
        figures.append(numbers.volume(row.volume_vox, row.volume_ml))
    if row.dsc is not None:
        figures.append(_tr("DSC {dsc}").format(dsc=numbers.dsc(row.dsc)))
    if row.hd95 is not None:
        figures.append(f"HD95 {row.hd95:.1f} {row.hd95_unit or ''}".rstrip())
    if figures:
        lines.append(", ".join(figures))
    if row.is_stale:
        lines.append(
            _tr("Predicted by {version}; another model is in use now").format(
                version=row.model_version
            )
        )
    if row.asked_by:
        lines.append(_tr("{name} asks for a second reader").format(name=row.asked_by))
    if row.editor:
        lines.append(_tr("Last editor: {name}").format(name=row.editor))
    return lines


def _tr(text: str) -> str:
    return QCoreApplication.translate("Worklist", text)
