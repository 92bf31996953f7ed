"""One row a series: what it is, and a box to say what it shall be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QSizePolicy, QWidget

from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

    from napari_brainseg.core.imaging import SeriesInfo

__all__ = ["SeriesRow"]


class _RoleBox(QComboBox):
    """A box that a scrolling wheel passes by: it would change what nobody looked at."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class SeriesRow(QWidget):
    """What a series is, and its role.

    Parameters
    ----------
    series : SeriesInfo
        The series.
    roles : list of (str, str)
        Value and word of each role it can have; the first is none.

    Attributes
    ----------
    box : QComboBox
        The roles.
    """

    changed = Signal(str, str)
    """Key of the series, new role."""

    def __init__(
        self, series: SeriesInfo, roles: list[tuple[str, str]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.series = series
        title = QLabel(wordWrap=True)
        title.setMinimumWidth(1)
        title.setTextFormat(Qt.TextFormat.PlainText)
        title.setText(_breakable(series.description))
        set_role(title, "cell")
        slices = ""
        if series.slices:
            slices = (
                self.tr("1 slice")
                if series.slices == 1
                else self.tr("{n} slices").format(n=series.slices)
            )
        facts = ", ".join(part for part in (slices, series.details) if part)
        self.facts = hint_label(_breakable(_figures_together(facts)))
        self.why = hint_label(_breakable(series.why[:1].upper() + series.why[1:]))
        self.box = _RoleBox()
        for value, word in roles:
            self.box.addItem(word, value)
        self.box.setAccessibleName(self.tr("Role of {series}").format(series=series.description))
        self.box.setToolTip(self.tr("What this series stands for"))
        self.box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.box.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.box.activated.connect(self._on_activated)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 3, 0, 3)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(1)
        grid.addWidget(title, 0, 0)
        grid.addWidget(self.box, 0, 1, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self.facts, 1, 0, 1, 2)
        grid.addWidget(self.why, 2, 0, 1, 2)
        grid.setColumnStretch(0, 1)
        self.facts.setVisible(bool(facts))
        self.why.setVisible(bool(series.why))

    def show_role(self, role: str) -> None:
        """Show a role without telling."""
        self.box.setCurrentIndex(max(0, self.box.findData(role)))

    def _on_activated(self, index: int) -> None:
        self.changed.emit(self.series.key, str(self.box.itemData(index)))


def _figures_together(facts: str) -> str:
    """Keep numbers with their names and units on one line."""
    text = facts.replace(" x ", "\u00a0×\u00a0")
    return re.sub(r"\b(TE|TR|TI|b|time) (?=\d)|(?<=\d) (?=m|s/)", _unbroken, text)


def _unbroken(match: re.Match[str]) -> str:
    return match[0].replace(" ", "\u00a0")


def _breakable(text: str) -> str:
    """Let long names of machines (``t2_tirm_tra_dark-fluid_320``) wrap behind their underscores."""
    return text.replace("_", "_\u200b")
