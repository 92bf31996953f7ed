"""What a path holds, with the series that the user chose for each patient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.session.series_choices import SeriesChoices

__all__ = ["find_studies", "user_choices"]

_FILE = "series-choices.json"


def user_choices() -> SeriesChoices:
    """Choices of this user, for all folders."""
    from napari_brainseg.session.series_choices import SeriesChoices

    data = platformdirs.user_data_dir("napari-brainseg", appauthor=False)
    return SeriesChoices(Path(data) / _FILE)


def find_studies(
    path: Path,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Discovery:
    """Find patients as `core.formats.discover`, with the user's choice of series.

    Raises
    ------
    DataError
        If the path holds no patient.
    CancelledError
        If `cancelled` said so.
    """
    from napari_brainseg.core.formats import discover

    found = discover(path, progress=progress, cancelled=cancelled)
    if not any(folder.series for folder in found.folders):
        return found
    choices = user_choices()
    return replace(found, folders=tuple(choices.apply_to(folder) for folder in found.folders))
