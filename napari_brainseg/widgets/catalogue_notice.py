"""Says once that a backup was opened in place of the catalogue, and where the original lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.write_bar import NoticeRow

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.session.desk import Desk

__all__ = ["CatalogueNotice", "is_rescue"]


class CatalogueNotice(QWidget):
    """Hidden until there is such news; stays until it is put away.

    Parameters
    ----------
    desk : Desk
        Tells it by `fault`, or told it before there was a window by `catalogue_notice`.

    Attributes
    ----------
    row : NoticeRow
        Words and buttons.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._aside: Path | None = None
        self.row = NoticeRow("note")
        self.row.button.clicked.connect(self._show_folder)
        self.row.other.clicked.connect(self.clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.row)
        self._ties = Subscriptions(self)
        self._ties.add(desk.fault, self._on_fault)
        self.hide()
        self._on_fault(getattr(desk, "catalogue_notice", None))

    @property
    def text(self) -> str:
        """What is shown, empty if nothing."""
        return "" if self.isHidden() else self.row.text

    def clear(self) -> None:
        """Put the notice away."""
        self.hide()

    def _on_fault(self, error: Any) -> None:
        if not is_rescue(error):
            return
        self._aside = error.aside
        folder = "" if error.aside is None else self.tr("Show the folder")
        self.row.show_words(error.message, error.hint, folder, self.tr("Put away"))
        self.show()

    def _show_folder(self) -> None:
        if self._aside is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._aside.parent)))


def is_rescue(error: Any) -> bool:
    """Whether a fault of the desk is a `RescueNotice`, which this widget shows."""
    # By its traits: importing its class takes as long as the database library.
    return hasattr(error, "aside") and hasattr(error, "salvaged")
