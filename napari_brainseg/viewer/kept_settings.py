"""Settings that go to the preferences once they rest: not a file for each move of a slider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.session.preferences import PreferenceValues
from napari_brainseg.viewer.settling import Settler

if TYPE_CHECKING:
    from napari_brainseg.session.preferences import Preferences

__all__ = ["KeptSettings"]

REST_S = 0.4


class KeptSettings:
    """Writes preferences late and together. Main thread only.

    Parameters
    ----------
    preferences : Preferences, optional
        Without them nothing is kept.
    """

    def __init__(self, preferences: Preferences | None) -> None:
        self._preferences = preferences
        self._unsaved: dict[str, Any] = {}
        self._resting = Settler(REST_S)

    @property
    def values(self) -> PreferenceValues:
        """What was kept, else the defaults."""
        return PreferenceValues() if self._preferences is None else self._preferences.values

    def remember(self, **changes: Any) -> None:
        """Keep preferences by their names, soon."""
        if self._preferences is not None:
            self._unsaved.update(changes)
            self._resting.ask(_nothing, self._save)

    def close(self) -> None:
        """Write what was not written yet."""
        self._resting.drop()
        self._save()

    def _save(self, _nothing: None = None) -> None:
        unsaved, self._unsaved = self._unsaved, {}
        if unsaved and self._preferences is not None:
            self._preferences.set(**unsaved)


def _nothing() -> None:
    return None
