"""Versions that come from files and go to files: the dialogs, and what is said of the outcome."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_brainseg.session.health import short_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.model_version import ModelVersion
    from napari_brainseg.widgets.panel import Panel

__all__ = ["ModelFiles"]

_MANIFEST = "model.json"


class ModelFiles(QObject):
    """Exports and imports versions for a panel, in its worker.

    Parameters
    ----------
    panel : Panel
        Runs the acts and shows their faults.
    """

    said = Signal(str)
    """What is done, or was; empty for nothing."""
    imported = Signal(str)
    """Version that is listed now."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._panel = panel

    def choose_export(self, version: str) -> None:
        """Ask where to write a version."""
        name, _filter = QFileDialog.getSaveFileName(
            self._panel,
            self.tr("Export model version"),
            f"{version}.zip",
            self.tr("Model versions (*.zip)"),
        )
        if name:
            self.export(version, Path(name))

    def export(self, version: str, path: Path) -> None:
        """Write a version to a file, or to a folder where the name does not end with ``.zip``."""
        text = self.tr("{version} is exported: {path}")
        self._run(
            lambda: self._panel.desk.registry.export(version, path),
            self.tr("Exporting {version}…").format(version=short_version(version)),
            lambda _result: self.said.emit(text.format(version=short_version(version), path=path)),
        )

    def choose_import(self) -> None:
        """Ask for the file of a version."""
        name, _filter = QFileDialog.getOpenFileName(
            self._panel,
            self.tr("Import model version"),
            "",
            self.tr("Model versions (*.zip {manifest})").format(manifest=_MANIFEST),
        )
        if name:
            path = Path(name)
            # A bundle that lies unpacked is named by its description.
            self.import_version(path.parent if path.name == _MANIFEST else path)

    def import_version(self, path: Path) -> None:
        """Check a bundle of another place, and list it; it is not in use before it is promoted."""
        self._run(
            lambda: self._panel.desk.registry.import_bundle(path),
            self.tr("Checking {name}…").format(name=path.name),
            self._on_imported,
        )

    def _on_imported(self, version: ModelVersion) -> None:
        text = self.tr("{version} is imported. It is not in use before you say so.")
        self.said.emit(text.format(version=short_version(version.version)))
        self.imported.emit(version.version)

    def _run(self, act: Callable[[], Any], meanwhile: str, done: Callable[[Any], None]) -> None:
        def failed(error: BrainSegError) -> None:
            self.said.emit("")
            self._panel.fault.show_error(error)

        self.said.emit(meanwhile)
        self._panel.run(act, done, failed)
