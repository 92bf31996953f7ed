"""Notices which slices were looked at, and has it kept."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.seen import SeenSlices
    from napari_brainseg.session.slice_facts import SliceFacts

__all__ = ["DWELL_MS", "SAVE_MS", "SeenWatch"]

DWELL_MS = 300
"""A slice that was shown for so long was seen; scrolling past is not seeing."""
SAVE_MS = 4000
"""At most so often is it written down."""

_log = logging.getLogger(__name__)


class SeenWatch(QObject):
    """Marks slices as seen.

    Parameters
    ----------
    desk : Desk
        Whose worker reads and writes the catalogue.
    slice_index : callable
        Index of the slice on show.
    is_looking : callable
        Whether slices can be seen: the window is in front and shows slices.
    parent : QObject
        The widget that needs it.
    """

    def __init__(
        self,
        desk: Desk,
        slice_index: Callable[[], int],
        is_looking: Callable[[], bool],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._desk = desk
        self._slice_index = slice_index
        self._is_looking = is_looking
        self._seen: SeenSlices | None = None
        self._facts: SliceFacts | None = None
        self._background = Background(desk, Subscriptions(self))
        self._dwell = QTimer(self, singleShot=True, interval=DWELL_MS)
        self._dwell.timeout.connect(self._mark)
        self._save_timer = QTimer(self, singleShot=True, interval=SAVE_MS)
        self._save_timer.timeout.connect(self.save)

    def enter(self, case: Case, facts: SliceFacts) -> None:
        """Watch another case; what was seen of it before comes from the catalogue."""
        self.leave()
        from napari_brainseg.session.seen import SeenSlices

        try:
            seen = SeenSlices(self._desk.catalogue, case.id, case.shape[0])
        except BrainSegError as error:
            self._failed(error)
            return
        self._facts, self._seen = facts, seen
        self._desk.review.follow_seen(case, seen)
        self._background.run(seen.load, lambda flags: self._loaded(seen, flags), self._failed)
        self.look()

    def leave(self) -> None:
        """Stop watching; what is not written yet is written now."""
        self._dwell.stop()
        self._save_timer.stop()
        seen, self._seen, self._facts = self._seen, None, None
        if seen is not None and not seen.is_saved:
            # At once: the worker may be on its way out together with the window.
            try:
                seen.save()
            except BrainSegError as error:
                self._failed(error)

    def look(self) -> None:
        """Another slice is on show, or the window came to the front: the time starts anew."""
        if self._seen is not None:
            self._dwell.start()

    def save(self) -> None:
        """Write in the worker what is new."""
        seen = self._seen
        if seen is not None and not seen.is_saved:
            self._background.run(seen.save, _nothing, self._failed)

    def _mark(self) -> None:
        if self._seen is None or self._facts is None or not self._is_looking():
            return
        index = self._slice_index()
        if self._seen.mark(index):
            self._facts.mark_seen(index)
            if not self._save_timer.isActive():
                self._save_timer.start()

    def _loaded(self, seen: SeenSlices, flags: Any) -> None:
        if seen is self._seen and self._facts is not None:
            self._facts.set_seen(flags)

    @staticmethod
    def _failed(error: BrainSegError) -> None:
        # A reading must not stop because a tick was not kept; the catalogue's fault shows
        # itself where work would be lost.
        _log.warning("Slices seen are not kept: %s", error)


def _nothing(_result: Any) -> None:
    pass
