"""Slow acts of a panel: done in the desk's worker, their outcome brought to the main thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.widgets.subscriptions import Subscriptions

__all__ = ["Background"]


class Background:
    """Runs acts of one panel.

    Parameters
    ----------
    desk : Desk
        Whose worker runs them, one after another.
    ties : Subscriptions
        Of the panel: outcomes that come after its end are dropped.
    """

    _ended = Signal(object, object, object)

    def __init__(self, desk: Desk, ties: Subscriptions) -> None:
        self._desk = desk
        ties.add(self._ended, self._deliver)

    def run(
        self,
        act: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[BrainSegError], None],
    ) -> None:
        """Run `act` off the main thread; then call `done` with its result, or `failed`, on it."""

        def quiet() -> None:
            # Caught here and not by the desk: the panel shows its own faults in its own place.
            try:
                result = act()
            except BrainSegError as error:
                self._ended.emit(failed, error, None)
            except Exception as error:  # noqa: BLE001 -- re-raised on the main thread
                self._ended.emit(None, None, error)
            else:
                self._ended.emit(done, result, None)

        self._desk.submit(quiet)

    @staticmethod
    def _deliver(call: Any, value: Any, bug: Exception | None) -> None:
        if bug is not None:
            raise bug
        call(value)
