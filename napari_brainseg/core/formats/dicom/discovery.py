"""Patients of a DICOM export: files to series, series to studies. Headers only, no pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from napari_brainseg.core.formats.faults import Fault
    from napari_brainseg.core.formats.kaggle3m import StudyFolder

__all__ = ["dicom_folders"]


def dicom_folders(
    root: Path,
    *,
    skip: Collection[Path] = (),
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[list[StudyFolder], list[Fault]]:
    """Find the DICOM studies below a folder, as deep as exports are nested."""
    del root, skip, progress, cancelled
    return [], []
