"""The wish that a run outlives its window."""

from __future__ import annotations

from qtpy.QtCore import QCoreApplication
from qtpy.QtWidgets import QCheckBox

__all__ = ["keep_check"]


def keep_check() -> QCheckBox:
    """Make a box to tick; there is one beside the start and one beside the run."""
    tr = QCoreApplication.translate
    box = QCheckBox(tr("Training", "Keep running without the window"))
    box.setToolTip(
        tr("Training", "The run goes on when the window closes; the next window finds it again")
    )
    return box
