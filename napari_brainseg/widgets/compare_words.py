"""A comparison of two versions, in the words of the dock."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication

from napari_brainseg.widgets.compare_view import Section
from napari_brainseg.widgets.gate_words import day_text, outcome_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.session.model_comparison import ModelComparison
    from napari_brainseg.widgets.worklist_names import Names

__all__ = ["sections_of"]

_RUN = "config."
_PLACES = frozenset(
    ("data", "corrections", "base", "current", "locked", "cache", "what", "why", "name")
)
"""Settings that say where something lies, not what was done."""
_MOST = 12
"""Settings told of; more than these no one compares in a dock."""
_NAMED = 6
"""Patients named of a list."""


def sections_of(found: ModelComparison, names: Names) -> tuple[Section, ...]:
    """Tell what differs: data first, then figures, settings and gates.

    Parameters
    ----------
    found : ModelComparison
        As `ModelRegistry.compare` gives it.
    names : Names
        What patients are called on the screen.
    """
    parts = [_data(found, names), _figures(found), _settings(found)]
    gates = _gates(found)
    return (*parts, gates) if gates.note else tuple(parts)


def _data(found: ModelComparison, names: Names) -> Section:
    tr = QCoreApplication.translate
    lines = []
    for patients, text in (
        (found.added, tr("Compare", "Learned in addition from {patients}.")),
        (found.removed, tr("Compare", "Did not learn from {patients}.")),
        (found.recorrected, tr("Compare", "Learned from another mask of {patients}.")),
    ):
        if patients:
            lines.append(text.format(patients=_listed(patients, names)))
    if not lines:
        lines.append(
            tr("Compare", "Both learned from the same patients and masks.")
            if found.same_data is not False
            else tr("Compare", "Both learned from the same patients, but their data differ.")
        )
    return Section(tr("Compare", "Data"), note="\n".join(lines))


def _figures(found: ModelComparison) -> Section:
    tr = QCoreApplication.translate
    rows = tuple(
        (_figure_title(figure.key), _figure(figure.a), _figure(figure.b))
        for figure in found.metrics
        if isinstance(figure.a, int | float) or isinstance(figure.b, int | float)
    )
    note = (
        tr("Compare", "On the patients of the run of each; the gate compares on the same ones.")
        if rows
        else tr("Compare", "Neither has figures of its own run.")
    )
    return Section(tr("Compare", "Figures"), rows, note)


def _settings(found: ModelComparison) -> Section:
    tr = QCoreApplication.translate
    title = tr("Compare", "Settings")
    run = [d for d in found.config if d.key.startswith(_RUN)]
    others = [d for d in found.config if not d.key.startswith(_RUN)]
    run = [d for d in run if d.key.removeprefix(_RUN).split(".")[0] not in _PLACES]
    notes = []
    if run and (all(d.a is None for d in run) or all(d.b is None for d in run)):
        # A bundle that was not made by a run here has none of them.
        notes.append(tr("Compare", "One of them does not say how it was trained."))
        run = []
    every = [*others, *run]
    rows = tuple((_title(d.key), _value(d.a), _value(d.b)) for d in every[:_MOST])
    if len(every) > _MOST:
        notes.append(tr("Compare", "And {n} more.").format(n=len(every) - _MOST))
    if not every and not notes:
        notes.append(tr("Compare", "The same."))
    return Section(title, rows, "\n".join(notes))


def _gates(found: ModelComparison) -> Section:
    tr = QCoreApplication.translate
    lines = [f"{day_text(gate.created)}: {outcome_text(gate.outcome).lower()}"
             for gate in found.gates]  # fmt: skip
    return Section(tr("Compare", "Gates between the two"), note="\n".join(lines))


def _listed(patients: Sequence[str], names: Names) -> str:
    tr = QCoreApplication.translate
    count = (
        tr("Compare", "1 patient")
        if len(patients) == 1
        else tr("Compare", "{n} patients").format(n=len(patients))
    )
    told = ", ".join(names.short(patient) for patient in patients[:_NAMED])
    more = "…" if len(patients) > _NAMED else ""
    return f"{count} ({told}{more})"


def _title(key: str) -> str:
    """Title of a setting as its form has it, else its dotted name in plain words."""
    from napari_brainseg.core.protocol import RunConfig

    known = RunConfig.model_fields.get(key.removeprefix(_RUN))
    if known is not None and known.title:
        return known.title
    words = key.removeprefix(_RUN).replace(".", ", ").replace("_", " ")
    return words[:1].upper() + words[1:]


def _figure_title(key: str) -> str:
    tr = QCoreApplication.translate
    known = {
        "validation_dsc": tr("Compare", "DSC in its run"),
        "parent_validation_dsc": tr("Compare", "DSC of its parent"),
    }
    words = key.replace("_", " ").replace("dsc", "DSC").replace("hd95", "HD95")
    return known.get(key, words[:1].upper() + words[1:])


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "–"


def _value(value: Any) -> str:
    tr = QCoreApplication.translate
    if value is None:
        return "–"
    if isinstance(value, bool):
        return tr("Compare", "yes") if value else tr("Compare", "no")
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return tr("Compare", "{n} entries").format(n=len(value))
    return PurePath(value).name if isinstance(value, str) and "/" in value else str(value)
