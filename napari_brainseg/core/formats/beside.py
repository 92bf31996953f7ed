"""What lies beside and below the images of a folder: a few names are looked at, no file is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.names import parse_slice_name
from napari_brainseg.core.formats.probing import is_dicom, is_nifti_name, may_be_dicom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.formats.kaggle3m import Listing

__all__ = ["CONVERT_PAIRS", "holds_dicom", "holds_images", "images_below", "listed", "pairs_in"]

CONVERT_PAIRS = "Convert the pair to one NIfTI file (.nii.gz), e.g. with nibabel or SimpleITK."
"""What to do with Analyze."""
_DICOM_LEVELS = 6
"""Exports of DICOM nest patient, study and series, and more."""

_PROBED = 40
"""Entries that are looked at in a folder before it gives up."""


def images_below(folder: Path, listing: Listing, levels: int) -> str:
    """Say which folders below one hold slices or NIfTI files; empty where none does."""
    below = [name for name in listing.folders if holds_images(folder / name, levels)]
    if not below:
        return ""
    return (
        f"Folders below hold more images, which are left out: {listed(below)}. Open them by "
        "themselves."
    )


def pairs_in(listing: Listing) -> list[str]:
    """Headers of Analyze or NIfTI pairs."""
    others = set(listing.others)
    headers = [name for name in listing.others if name.lower().endswith(".hdr")]
    return [n for n in headers if {f"{n[:-4]}{ending}" for ending in (".img", ".IMG")} & others]


def listed(names: Sequence[str]) -> str:
    """Give the first of some names, and how many more there are."""
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def holds_images(folder: Path, levels: int) -> bool:
    """Whether a folder, or one of the first so many levels below, holds slices or NIfTI files."""
    below: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_image = parse_slice_name(entry.name) is not None or is_nifti_name(entry.name)
                if is_image and not entry.is_dir():
                    return True
                hidden = entry.name.startswith(".")
                if levels and not hidden and len(below) < _PROBED and entry.is_dir():
                    below.append(entry.path)
    except (OSError, ValueError):
        return False
    return any(holds_images(Path(path), levels - 1) for path in below)


def holds_dicom(folder: Path) -> bool:
    """Whether one of the first files below a folder is DICOM."""
    looked = 0
    try:
        for place, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))[:_PROBED]
            if len(Path(place).relative_to(folder).parts) >= _DICOM_LEVELS:
                folders.clear()
            for name in sorted(names):
                if may_be_dicom(name):
                    looked += 1
                    if is_dicom(Path(place, name)):
                        return True
                if looked >= _PROBED:
                    return False
    except (OSError, ValueError):
        return False
    return False
