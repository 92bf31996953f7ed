"""What is said of measurements, in words, and as a table to paste elsewhere."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

from napari_brainseg.session.measurements import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_brainseg.core.imaging.measuring import Intensities
    from napari_brainseg.session.measurements import Measurement

__all__ = ["as_csv", "as_text", "intensity_words", "name_of", "place_of"]


def _tr(text: str) -> str:
    return QCoreApplication.translate("Measurements", text)


def name_of(item: Measurement) -> str:
    """Label of a measurement, else what it is."""
    return item.label or (_tr("Ruler") if item.kind is Kind.RULER else _tr("Area"))


def place_of(item: Measurement) -> str:
    """Slice on which it lies, counted from 1; the plane where it is not axial."""
    number = item.plane + 1
    if item.axis == 0:
        return _tr("slice {i}").format(i=number)
    words = (_tr("axial {i}"), _tr("coronal {i}"), _tr("sagittal {i}"))
    return words[item.axis].format(i=number)


def intensity_words(found: Intensities | None) -> str:
    """Mean, standard deviation and range in one line; empty where there are none."""
    if found is None:
        return ""
    # As many decimals for all as the greatest of them asks for.
    greatest = max(abs(found.low), abs(found.high), found.sd)
    digits = 0 if greatest >= 1000 else 1 if greatest >= 10 else 3
    return _tr("mean {mean} ± {sd}, {low} to {high}").format(
        mean=f"{found.mean:.{digits}f}",
        sd=f"{found.sd:.{digits}f}",
        low=_number(found.low, digits),
        high=_number(found.high, digits),
    )


def as_text(items: Iterable[Measurement]) -> str:
    """One line each, to paste into a report."""
    return "\n".join(f"{name_of(item)}: {item.text} ({place_of(item)})" for item in items)


def as_csv(items: Iterable[Measurement]) -> str:
    """Table with a header, values in full and in the unit they are kept in."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("label", "kind", "value", "unit", "plane", "slice", "editor", "created"))
    for item in items:
        when = datetime.fromtimestamp(item.created, UTC).isoformat(timespec="seconds")
        table.writerow(
            (
                item.label, item.kind.value, f"{item.value:.3f}", item.unit.value,
                item.plane_name, item.plane + 1, item.editor or "", when,
            )
        )  # fmt: skip
    return out.getvalue()


def _number(value: float, digits: int) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.{digits}f}"
