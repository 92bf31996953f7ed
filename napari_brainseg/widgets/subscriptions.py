"""Ties between session signals and widgets that end with the widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

__all__ = ["Subscriptions"]


class Subscriptions:
    """Connects slots to psygnal and napari signals until their widget is destroyed.

    Slots run on the main thread, whichever thread emits. What a worker emitted just before the
    widget was destroyed is dropped, not delivered to a dead widget.

    Parameters
    ----------
    owner : QObject
        The widget; its end is the end of all ties.
    """

    def __init__(self, owner: QObject) -> None:
        self._ties: list[tuple[Any, Callable[..., None]]] = []
        self._open = True
        owner.destroyed.connect(self.close)

    def add(self, signal: Any, slot: Callable[..., None]) -> None:
        """Connect a psygnal signal; `slot` gets all that it emits."""
        guarded = self._guard(slot)
        signal.connect(guarded, thread="main")
        self._ties.append((signal, guarded))

    def add_napari(self, emitter: Any, slot: Callable[[], None]) -> None:
        """Connect a napari event, which is emitted on the main thread; `slot` gets nothing."""
        guarded = self._guard(lambda _event=None: slot())
        emitter.connect(guarded)
        self._ties.append((emitter, guarded))

    def close(self, _object: Any = None) -> None:
        """Cut all ties."""
        self._open = False
        ties, self._ties = self._ties, []
        for signal, guarded in ties:
            signal.disconnect(guarded)

    def _guard(self, slot: Callable[..., None]) -> Callable[..., None]:
        def guarded(*args: Any) -> None:
            if self._open:
                slot(*args)

        return guarded
