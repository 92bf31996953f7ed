"""Signs a correction off into the training set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.panel import Panel, hint_label, mark_next

if TYPE_CHECKING:
    from napari_brainseg.core.dataset.manifest import ManifestEntry
    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.desk import Desk

__all__ = ["ExportPanel"]


class ExportPanel(Panel):
    """One button, and what became of it.

    Parameters
    ----------
    desk : Desk
        Writes and reads back.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self._entry: ManifestEntry | None = None
        self._busy = False
        self.heading.setText(self.tr("Export"))
        self.hint = hint_label()
        self.result = QLabel(wordWrap=True)
        self.result.setMinimumWidth(1)
        self.export_button = QPushButton(self.tr("Add to training set"))
        self.export_button.setToolTip(
            self.tr(
                "Sign the correction off: writes images and corrected masks to the training set "
                "and reads them back. The original files are not touched."
            )
        )
        self.export_button.clicked.connect(self.export)
        self.folder_button = QPushButton(self.tr("Folder"))
        self.folder_button.setToolTip(self.tr("Open the training set in the file manager"))
        self.folder_button.clicked.connect(self._show_folder)
        self.head(self.export_button, self.folder_button)
        self.body.addWidget(self.hint)
        self.body.addWidget(self.result)

        self.ties.add(desk.opened, lambda _case: self._forget())
        self.ties.add(desk.closed, self._forget)
        self.ties.add(desk.correction_started, lambda _correction: self.refresh())
        self.ties.add(desk.status_changed, lambda _status: self.refresh())
        self.ties.add(desk.exported, self._on_exported)
        self.refresh()

    def export(self) -> None:
        """Sign off and export."""
        self._busy = True
        self.refresh()
        self.run(self.desk.export, self._on_done, self._on_failed)

    def refresh(self) -> None:
        """Follow the desk."""
        case = self.desk.case
        there = case is not None and case.correction is not None
        approved = there and case is not None and case.status.value == "approved"
        self.export_button.setEnabled(there and not self._busy)
        self.export_button.setText(
            self.tr("Saving…") if self._busy else self.tr("Add to training set")
        )
        self.folder_button.setVisible(self._entry is not None or approved)
        self.result.setVisible(self._entry is not None)
        self.hint.setVisible(not (approved and self._entry is not None))
        if not there:
            self.hint.setText(self.tr("A corrected mask can be added to the training set."))
        elif approved:
            self.hint.setText(self.tr("Signed off. Painting again reopens the case."))
        else:
            self.hint.setText(self.tr("Signs the case off; originals stay as they are."))

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act."""
        mark_next(self.export_button, act is Act.EXPORT)

    def _on_done(self, _entry: ManifestEntry) -> None:
        self._busy = False
        self.refresh()

    def _on_failed(self, error: BrainSegError) -> None:
        self._busy = False
        self.fault.show_error(error)
        self.refresh()

    def _on_exported(self, entry: ManifestEntry) -> None:
        self._entry = entry
        changed = self.tr("+{added} −{removed} voxels").format(
            added=numbers.voxels(entry.voxels_added), removed=numbers.voxels(entry.voxels_removed)
        )
        self.result.setText(
            self.tr("Added by {editor}: {changed}; read back, equal.").format(
                changed=changed, editor=entry.editor
            )
        )
        self.refresh()

    def _forget(self) -> None:
        self._entry = None
        self._busy = False
        self.fault.clear()
        self.refresh()

    def _show_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.desk.workspace.training_set)))
