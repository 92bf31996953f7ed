"""Patients named in a text file, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_patient_list"]


def read_patient_list(path: Path) -> list[str]:
    """Read names of patients, one a line, UTF-8; empty lines and lines with # are left out.

    Raises
    ------
    DataError
        If the file cannot be read, is no text, or names nobody.
    """
    hint = "Give one name a line, UTF-8."
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file.", hint) from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path."
        ) from error
    names = [line.strip() for line in lines]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise DataError(f"{path} names no patient.", hint)
    return names
