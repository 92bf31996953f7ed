"""What the dock says of a model version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication

from napari_brainseg.session.health import short_version
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.gate_words import day_text, outcome_sign, outcome_text, signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_brainseg.session.effect_log import Reviewed
    from napari_brainseg.session.model_version import ModelVersion
    from napari_brainseg.session.worklist_row import WorklistRow

__all__ = [
    "comparison_text",
    "config_line",
    "detail_lines",
    "locked_patients",
    "reviewed_text",
    "stale_text",
    "state_text",
]

_DIGEST = 6
_TOLD = ("epochs", "steps_per_epoch", "learning_rate", "replay_share", "interpolation")
"""Settings that tell runs apart, in this order."""


def state_text(version: ModelVersion, *, is_fresh: bool = False) -> str:
    """States of a version, the most telling one first."""
    tr = QCoreApplication.translate
    if version.fault:
        return tr("Models", "damaged")
    words = []
    if version.is_current:
        words.append(tr("Models", "in use"))
    elif version.outcome is not None:
        outcome = str(version.outcome)
        words.append(f"{outcome_sign(outcome)} {outcome_text(outcome).lower()}")
    if is_fresh:
        words.insert(0, tr("Models", "new"))
    if version.origin == "import":
        words.append(tr("Models", "imported"))
    if version.is_bundled:
        words.append(tr("Models", "bundled"))
    return ", ".join(words)


def detail_lines(version: ModelVersion, reason: str = "") -> list[str]:
    """Everything that is known of a version, a fact a line.

    Parameters
    ----------
    version : ModelVersion
        The version.
    reason : str
        Why it was taken into use, where somebody said so.
    """
    tr = QCoreApplication.translate
    lines = [version.version]
    if version.parent:
        text = tr("Models", "Fine-tuned from {parent}")
        lines.append(text.format(parent=short_version(version.parent)))
    made = day_text(version.created)
    if made:
        lines.append(tr("Models", "Made {day}").format(day=made))
    learned = _learned(version)
    if learned:
        lines.append(learned)
    settings = config_line(version.config)
    if settings:
        lines.append(settings)
    if version.data_sha256:
        lines.append(tr("Models", "Data {digest}").format(digest=version.data_sha256[:_DIGEST]))
    if version.workspace_dsc is not None:
        lines.append(
            tr("Models", "Mean DSC {dsc} on {patients}").format(
                dsc=numbers.dsc(version.workspace_dsc),
                patients=locked_patients(version.workspace_patients),
            )
        )
    if version.outcome is not None and not version.is_current:
        text = tr("Models", "Gate against the version in use: {outcome}")
        lines.append(text.format(outcome=outcome_text(str(version.outcome)).lower()))
    if version.promoted_by:
        text = (
            tr("Models", "Taken into use by {who}, {day}: {reason}")
            if reason
            else tr("Models", "Taken into use by {who}, {day}")
        )
        day = "–" if version.promoted_at is None else day_text(version.promoted_at)
        lines.append(text.format(who=version.promoted_by, day=day, reason=reason))
    if version.fault:
        lines.append(version.fault)
    return lines


def locked_patients(number: int) -> str:
    """Count locked patients in words."""
    tr = QCoreApplication.translate
    if number == 1:
        return tr("Models", "1 locked patient")
    return tr("Models", "{n} locked patients").format(n=number)


def comparison_text(
    chosen: ModelVersion | None, current: ModelVersion | None, *, has_gate: bool
) -> str:
    """Compare the selected version with the one in use where no gate does; may be empty."""
    tr = QCoreApplication.translate
    if current is None or has_gate:
        return ""
    if chosen is None or chosen is current:
        if current.workspace_dsc is not None:
            return tr("Models", "DSC: mean on the {patients}.").format(
                patients=locked_patients(current.workspace_patients)
            )
        return tr(
            "Models",
            "DSC: mean on the locked patients of this workspace; measured by the first "
            "fine-tuning run.",
        )
    if chosen.fault:
        return chosen.fault
    if chosen.workspace_dsc is None or current.workspace_dsc is None:
        return ""
    change = chosen.workspace_dsc - current.workspace_dsc
    text = tr("Models", "{new} against {old} in use ({change}), mean DSC on the same {patients}.")
    if change < 0:
        text = tr("Models", "Worse: {comparison}").format(comparison=text)
    return text.format(
        new=numbers.dsc(chosen.workspace_dsc),
        old=numbers.dsc(current.workspace_dsc),
        patients=locked_patients(chosen.workspace_patients),
        change=signed(change, 3),
    )


def reviewed_text(found: Reviewed | None) -> str:
    """Say who looked at the effect of a version, and on how many of the patients."""
    tr = QCoreApplication.translate
    if found is None or not found.seen:
        return tr("Models", "Nobody looked at the effect yet.")
    names = sorted({one.editor for one in found.looks if one.editor})
    text = tr("Models", "Effect looked at on {seen} of {total} patients")
    if names:
        text = tr("Models", "{text} by {names}").format(text=text, names=", ".join(names))
    return text.format(seen=found.seen, total=found.total) + "."


def stale_text(rows: Iterable[WorklistRow]) -> str:
    """Say how many predictions of the worklist are not of the version in use; may be empty."""
    tr = QCoreApplication.translate
    number = sum(row.is_stale for row in rows)
    if number == 0:
        return ""
    if number == 1:
        return tr("Models", "1 prediction is of another version; the worklist marks it.")
    text = tr("Models", "{n} predictions are of another version; the worklist marks them.")
    return text.format(n=number)


def config_line(config: Mapping[str, Any]) -> str:
    """Write the settings that tell runs apart in one line."""
    tr = QCoreApplication.translate
    words = {
        "epochs": tr("Models", "{value} epochs"),
        "steps_per_epoch": tr("Models", "{value} steps each"),
        "learning_rate": tr("Models", "rate {value:g}"),
        "replay_share": tr("Models", "{value:.0%} replay"),
        "interpolation": tr("Models", "share of the new weights {value:g}"),
    }
    found = []
    for name in _TOLD:
        value = config.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.append(words[name].format(value=value))
    return ", ".join(found)


def _learned(version: ModelVersion) -> str:
    trained = version.config.get("train_patients")
    if not isinstance(trained, list | tuple) or not trained:
        return ""
    tr = QCoreApplication.translate
    if not version.parent:
        return tr("Models", "Trained on {n} patients").format(n=len(trained))
    replayed = set(version.config.get("replay_patients") or ())
    corrected = sum(patient not in replayed for patient in trained)
    text = (
        tr("Models", "Learned from 1 correction")
        if corrected == 1
        else tr("Models", "Learned from {n} corrections").format(n=corrected)
    )
    if not replayed:
        return text
    return tr("Models", "{text}, {n} patients of the base replayed").format(
        text=text, n=len(replayed)
    )
