"""A correction that another window paints on: to be looked at, not to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from napari_brainseg.session.correction import Correction
from napari_brainseg.session.write_right import TakenOverError

if TYPE_CHECKING:
    from napari_brainseg.core.editing import Edit
    from napari_brainseg.session.history import Stroke
    from napari_brainseg.session.stroke import Parameters, VoxelEdit

__all__ = ["FollowedCorrection"]


class FollowedCorrection(Correction):
    """The mask as it is on disk; its `data` is read-only.

    Parameters
    ----------
    *args, **options
        As for `Correction`.
    why : str
        Who paints, in words.
    """

    def __init__(self, *args: Any, why: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.why = why
        self.data.flags.writeable = False

    @property
    def can_undo(self) -> bool:
        """Not here."""
        return False

    @property
    def can_redo(self) -> bool:
        """Not here."""
        return False

    def commit(self, tool: str = "other", parameters: Parameters | None = None) -> Stroke | None:
        """Nothing can be painted, so there is nothing to commit."""
        del tool, parameters
        return None

    def apply(
        self, edit: Edit | VoxelEdit, tool: str, parameters: Parameters | None = None
    ) -> NoReturn:
        """Refuse, with `TakenOverError`."""
        del edit, tool, parameters
        self._refuse()

    def undo(self) -> NoReturn:
        """Refuse, with `TakenOverError`."""
        self._refuse()

    def redo(self) -> NoReturn:
        """Refuse, with `TakenOverError`."""
        self._refuse()

    def go_to(self, number: int) -> NoReturn:
        """Refuse, with `TakenOverError`."""
        del number
        self._refuse()

    def close(self, *, keep_unsaved: bool = False) -> None:
        """End its threads; there is nothing to save."""
        super().close(keep_unsaved=keep_unsaved)

    def _refuse(self) -> NoReturn:
        raise TakenOverError(f"{self.why}.", "You can look. Take the case over to correct it here.")
