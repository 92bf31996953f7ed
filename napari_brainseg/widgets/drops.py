"""Patient folders dropped on the window, without napari's question which reader to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject

from napari_brainseg.core.formats import is_study_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QMimeData
    from qtpy.QtWidgets import QWidget

__all__ = ["StudyDrops", "dropped_study"]


class StudyDrops(QObject):
    """Takes patient folders dropped on a widget; leaves everything else to it.

    Parameters
    ----------
    target : QWidget
        Watched as long as this object lives.
    opened : callable
        Gets the folder.
    parent : QObject
        Owner of this object.
    """

    def __init__(self, target: QWidget, opened: Callable[[Path], None], parent: QObject) -> None:
        super().__init__(parent)
        self._opened = opened
        target.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Accept a dropped patient folder."""
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
    """Return the folder that is being dropped, if it holds a patient or several."""
    urls = mime.urls() if mime.hasUrls() else []
    if len(urls) != 1 or not urls[0].isLocalFile():
        return None
    path = Path(urls[0].toLocalFile())
    return path if path.is_dir() and is_study_path(path) else None
