"""What can be done with a version, and with the list: the menu of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QAction, QMenu

from napari_brainseg.session.health import short_version

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.model_version import ModelVersion

__all__ = ["ModelMenu"]


class ModelMenu(QObject):
    """Makes the menu anew for each version; the acts are signals.

    Attributes
    ----------
    compare, export, import_, delete : QAction
    """

    compare_wanted = Signal(str)
    export_wanted = Signal(str)
    import_wanted = Signal()
    delete_wanted = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._version = ""
        self.menu = QMenu(parent)
        self.menu.setToolTipsVisible(True)
        self.compare = self._add(lambda: self.compare_wanted.emit(self._version))
        self.menu.addSeparator()
        self.export = self._add(lambda: self.export_wanted.emit(self._version))
        self.import_ = self._add(self.import_wanted.emit)
        self.import_.setText(self.tr("Import…"))
        self.import_.setToolTip(
            self.tr("Add a version from a file that BrainSeg exported; it is checked first")
        )
        self.menu.addSeparator()
        self.delete = self._add(lambda: self.delete_wanted.emit(self._version))
        self.follow(None)

    def follow(self, version: ModelVersion | None) -> None:
        """Offer what fits a version; `None` for none."""
        self._version = "" if version is None else version.version
        whole = version is not None and not version.fault
        name = "" if version is None else short_version(version.version)
        self.compare.setText(self.tr("Compare with the one in use"))
        self.compare.setEnabled(whole and version is not None and not version.is_current)
        self.export.setText(
            self.tr("Export {version}…").format(version=name) if name else self.tr("Export…")
        )
        self.export.setEnabled(whole)
        self.delete.setText(
            self.tr("Delete {version}…").format(version=name) if name else self.tr("Delete…")
        )
        self.delete.setEnabled(
            version is not None and not version.is_current and not version.is_bundled
        )
        self.delete.setToolTip(self._why_kept(version))

    def _why_kept(self, version: ModelVersion | None) -> str:
        if version is None:
            return self.tr("Select a version first")
        if version.is_current:
            return self.tr("The version in use cannot be deleted")
        if version.is_bundled:
            return self.tr("This version came with the installation")
        return self.tr("Delete its files; what was decided about it stays on record")

    def _add(self, act: object) -> QAction:
        action = QAction(self.menu)
        action.triggered.connect(lambda _checked: act())  # type: ignore[operator]
        self.menu.addAction(action)
        return action
