"""Patients dropped or opened by napari's menu, without its question which reader to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject

from napari_brainseg.core.formats import is_study_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QMimeData
    from qtpy.QtWidgets import QWidget

__all__ = ["StudyDrops", "dropped_study", "open_study_folders"]


class StudyDrops(QObject):
    """Takes patients dropped on a widget; leaves everything else to it.

    Parameters
    ----------
    target : QWidget
        Watched as long as this object lives.
    opened : callable
        Gets the folder or file.
    parent : QObject
        Owner of this object.
    """

    def __init__(self, target: QWidget, opened: Callable[[Path], None], parent: QObject) -> None:
        super().__init__(parent)
        self._opened = opened
        target.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Accept a dropped patient."""
        if event.type() not in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop):
            return False
        folder = dropped_study(event.mimeData())  # type: ignore[attr-defined]
        if folder is None:
            return False
        event.acceptProposedAction()  # type: ignore[attr-defined]
        if event.type() == QEvent.Type.Drop:
            self._opened(folder)
        return True


def dropped_study(mime: QMimeData) -> Path | None:
    """Return what is being dropped, if it holds a patient or several.

    A folder of slices, a NIfTI or DICOM file, a zip archive. Several files at once stand for the
    folder that they lie in, as the modalities of a NIfTI patient are dropped together.
    """
    urls = mime.urls() if mime.hasUrls() else []
    if not urls or not all(url.isLocalFile() for url in urls):
        return None
    paths = [Path(url.toLocalFile()) for url in urls]
    if len(paths) == 1:
        return paths[0] if is_study_path(paths[0]) else None
    folders = {path.parent for path in paths}
    together = len(folders) == 1 and all(path.is_file() for path in paths)
    # The others are files of the same kind; looking into each would hold the mouse up.
    return folders.pop() if together and is_study_path(paths[0]) else None


def open_study_folders(qt_viewer: Any, opened: Callable[[Path], None], owner: QObject) -> None:
    """Let *File > Open* of napari open a patient's folder, or a file without ending, at once.

    napari's own reader claims every folder, so that it would ask which of the two to use; for files
    the answer stands in its settings, for folders it would stand for all of them. *Open with
    plugin* still asks.

    Parameters
    ----------
    qt_viewer : napari's QtViewer
        Whose menu.
    opened : callable
        Gets the folder.
    owner : QObject
        With its end all is napari's again.
    """
    of_napari = qt_viewer._qt_open  # noqa: SLF001 -- napari offers nothing public before it

    def open_paths(
        filenames: list[str], stack: Any, choose_plugin: bool = False, *rest: Any, **more: Any
    ) -> None:
        asked = choose_plugin or stack or rest or more.get("plugin")
        path = Path(filenames[0]) if len(filenames) == 1 and not asked else None
        # DICOM files often have no ending, by which alone napari chooses readers.
        if path is not None and (path.is_dir() or not path.suffix) and is_study_path(path):
            opened(path)
        else:
            of_napari(filenames, stack, choose_plugin, *rest, **more)

    qt_viewer._qt_open = open_paths  # noqa: SLF001
    owner.destroyed.connect(lambda: vars(qt_viewer).pop("_qt_open", None))
