"""Which format a file has, by its name and its first bytes; cheap, and it never raises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_dicom", "is_nifti_name", "is_zip", "may_be_dicom"]

_DICOM_NAME = re.compile(r"[^.]*|.*\.(dcm|dicom|dic|ima|img|mr|ct|[0-9]+)", re.IGNORECASE)
"""Scanners and archives write names without an ending, or that end in the UID's last number."""
_MAGIC_AT = 128
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")


def is_nifti_name(name: str) -> bool:
    """Whether a file name ends like a NIfTI volume; hidden files do not count."""
    return name.lower().endswith((".nii", ".nii.gz")) and not name.startswith(".")


def may_be_dicom(name: str) -> bool:
    """Whether a file with this name is worth a look inside."""
    return not name.startswith(".") and _DICOM_NAME.fullmatch(name) is not None


def is_dicom(path: Path) -> bool:
    """Whether a file has the DICOM prefix (PS3.10, section 7.1)."""
    try:
        with path.open("rb") as file:
            return file.read(_MAGIC_AT + 4)[_MAGIC_AT:] == b"DICM"
    except (OSError, ValueError):
        return False


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive by its name and first bytes."""
    if not path.name.lower().endswith(".zip"):
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) in _ZIP_MAGIC
    except (OSError, ValueError):
        return False
