"""What the training panel says: what waits to be learned from, and what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

if TYPE_CHECKING:
    from napari_brainseg.core.dataset.preflight import PreflightReport

__all__ = ["ended_text", "waiting_text"]


def _tr(text: str) -> str:
    return QCoreApplication.translate("Training", text)


def waiting_text(waiting: int, report: PreflightReport | None) -> str:
    """How many corrections there are, and how many no version has learned from."""
    if waiting == 0:
        return _tr("Masks that you correct and approve teach the next version. None is waiting.")
    if report is None or not report.corrections:
        if waiting == 1:
            return _tr("1 correction is waiting.")
        return _tr("{n} corrections are waiting.").format(n=waiting)
    number, new = len(report.corrections), len(report.new_corrections)
    text = (
        _tr("1 correction trains, {m} new.")
        if number == 1
        else _tr("{n} corrections train, {m} new.")
    )
    return text.format(n=number, m=new)


def ended_text(reason: str, message: str, version: str, gate: str = "") -> str:
    """How a run ended that neither failed nor crashed.

    Parameters
    ----------
    reason : str
        Of a `RunOutcome`.
    message : str
        What the run said itself.
    version : str
        What it made, empty if nothing.
    gate : str
        Value of a `GateOutcome`, empty as long as it is not known.
    """
    if reason == "cancelled":
        return message or _tr("Training stopped.")
    if not version:
        return message or _tr("Training is complete.")
    lines = {
        "passed": _tr("{version} is ready. The gate passed: see above."),
        "failed": _tr("{version} is ready. The gate failed: see above why."),
        "not enough evidence": _tr("{version} is ready. Too little evidence for the gate."),
    }
    line = lines.get(gate, _tr("{version} is ready and listed above."))
    return line.format(version=version)
