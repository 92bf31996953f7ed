"""Columns of the worklist: what a cell says and what it is sorted by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication

from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.worklist_filter import STATUSES, own_kind, status_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from napari_brainseg.session.worklist_row import WorklistRow

__all__ = [
    "ATTRIBUTE",
    "DEFAULT",
    "PATIENT",
    "STATUS",
    "Column",
    "attribute_columns",
    "columns",
    "sorted_by",
]

PATIENT = "patient"
STATUS = "status"
ATTRIBUTE = "attribute:"
"""Before the name of a column of ``data.csv`` in a column's key."""
DEFAULT = (
    PATIENT, STATUS, "slices", "volume", "dsc", "hd95", "uncertainty", "disagreement", "missing",
    "model", "editor", "time", "opened",
)  # fmt: skip
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes
    ----------
    key : str
        Name in preferences.
    title, tip : str
        Of the header.
    text : callable
        A row's cell; empty where nothing is known.
    value : callable
        What it is sorted by; `None` comes last in both directions.
    is_number : bool
        Whether cells are set to the right.
    widest : str
        What a cell usually needs room for, though it may be empty yet.
    """

    key: str
    title: str
    tip: str
    text: Callable[[WorklistRow], str]
    value: Callable[[WorklistRow], Any]
    is_number: bool = False
    widest: str = ""


def columns() -> tuple[Column, ...]:
    """Return the columns that every worklist has, the patient first."""
    return (
        Column(PATIENT, _tr("Patient"), _tr("Name of the patient"), lambda r: r.patient,
               lambda r: natural(r.patient)),
        Column(STATUS, _tr("Status"), _tr("How far the work is"),
               lambda r: status_word(own_kind(r)), _status_rank),
        Column("slices", _tr("Slices"), _tr("Number of slices"), lambda r: _count(r.slices),
               lambda r: r.slices or None, True),
        Column("volume", _tr("Volume"), _tr("Volume of the predicted tumour"), _volume,
               _volume_key, True, "000\u2009000 vox"),
        Column("dsc", _tr("DSC"),
               _tr("Dice similarity coefficient of the prediction and the ground truth"),
               lambda r: "" if r.dsc is None else numbers.dsc(r.dsc), lambda r: r.dsc, True,
               "0.000"),
        Column("hd95", _tr("HD95"),
               _tr("95th percentile of the distance between the outlines of the prediction and "
                   "the ground truth"),
               lambda r: _with_unit(r.hd95, r.hd95_unit), lambda r: r.hd95, True, "00.0 vox"),
        Column("uncertainty", _tr("Uncertainty"),
               _tr("Mean entropy near the predicted outline, in bits: 0 sure, 1 undecided"),
               lambda r: _share(r.uncertainty), lambda r: r.uncertainty, True),
        Column("disagreement", _tr("Disagreement"),
               _tr("1 − DSC of the predictions with and without the mirrored view"),
               lambda r: _share(r.disagreement), lambda r: r.disagreement, True),
        Column("missing", _tr("Missing"), _tr("Modalities that are missing"),
               lambda r: ", ".join(r.missing or ()),
               lambda r: ", ".join(r.missing) if r.missing else None),
        Column("model", _tr("Model"),
               _tr("Version of the model that predicted; “not in use” where another one is "
                   "by now"),
               _model, lambda r: _word(r.model_version)),
        Column("editor", _tr("Last editor"), _tr("Who worked on it last"),
               lambda r: r.editor or "", lambda r: _word(r.editor)),
        Column("time", _tr("Time spent"), _tr("Time it was open, pauses left out"),
               lambda r: numbers.duration(r.seconds) if r.seconds else "",
               lambda r: r.seconds or None, True),
        Column("opened", _tr("Last opened"), _tr("When it was open last"), _opened,
               lambda r: r.opened),
    )  # fmt: skip


def attribute_columns(rows: Iterable[WorklistRow]) -> tuple[Column, ...]:
    """Return a column for each clinical attribute that any row has, in the order of the table."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row.attributes))
    return tuple(_attribute(name) for name in names)


def sorted_by(keys: Mapping[str, Any], *, downwards: bool) -> list[str]:
    """Sort patients by their keys; those with `None` come last in both directions."""
    known = [patient for patient, key in keys.items() if key is not None]
    known.sort(key=keys.__getitem__, reverse=downwards)
    return known + [patient for patient, key in keys.items() if key is None]


@lru_cache(maxsize=1 << 15)
def natural(text: str) -> tuple[Any, ...]:
    """Return a key that sorts ``P 2`` before ``P 10``."""
    return tuple(int(p) if p.isdigit() else p for p in _DIGITS.split(text.casefold()))


def _attribute(name: str) -> Column:
    def value(row: WorklistRow) -> Any:
        text = row.attributes.get(name)
        if not text:
            return None
        try:
            return (0, float(text), "")
        except ValueError:
            return (1, 0.0, text.casefold())

    tip = _tr("{name}, from data.csv").format(name=name)
    return Column(
        ATTRIBUTE + name, name.replace("_", " "), tip, lambda r: r.attributes.get(name, ""), value
    )


def _status_rank(row: WorklistRow) -> int:
    kind = own_kind(row)
    return STATUSES.index(kind) if kind in STATUSES else len(STATUSES)


def _volume(row: WorklistRow) -> str:
    return "" if row.volume_vox is None else numbers.volume(row.volume_vox, row.volume_ml)


def _volume_key(row: WorklistRow) -> tuple[bool, float] | None:
    if row.volume_vox is None:
        return None
    # Voxels and millilitres do not compare.
    in_voxels = row.volume_ml is None
    return in_voxels, float(row.volume_vox if row.volume_ml is None else row.volume_ml)


def _model(row: WorklistRow) -> str:
    if row.is_stale:
        return _tr("{version} (not in use)").format(version=row.model_version)
    return row.model_version or ""


def _count(count: int) -> str:
    return str(count) if count else ""


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _with_unit(value: float | None, unit: str | None) -> str:
    return "" if value is None else f"{value:.1f} {unit or ''}".rstrip()


def _word(text: str | None) -> str | None:
    return text.casefold() if text else None


def _opened(row: WorklistRow) -> str:
    if row.opened is None:
        return ""
    return datetime.fromtimestamp(row.opened).strftime("%Y-%m-%d %H:%M")


def _tr(text: str) -> str:
    return QCoreApplication.translate("Worklist", text)
