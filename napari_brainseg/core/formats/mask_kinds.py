"""In which formats a mask can be written, and who made it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

__all__ = ["MaskFormat", "MaskHow", "MaskMaker"]

MaskHow = Literal["MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"]
"""As in DICOM, Segment Algorithm Type (PS3.3, C.8.20.2)."""


class MaskFormat(StrEnum):
    """Format of a mask's files; the value is the name shown to users."""

    TIFF = "kaggle_3m TIFF"
    NIFTI = "NIfTI"
    DICOM_SEG = "DICOM SEG"
    DICOM_SEG_FRACTIONAL = "DICOM SEG, fractional"

    @property
    def is_dicom(self) -> bool:
        """Whether it is a DICOM segmentation."""
        return self in (MaskFormat.DICOM_SEG, MaskFormat.DICOM_SEG_FRACTIONAL)


@dataclass(frozen=True, slots=True)
class MaskMaker:
    """Who or what made a mask.

    Parameters
    ----------
    how : {"MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"}
        By hand; by a person from a prediction; by a model alone.
    model_version : str
        Version of the bundle; empty where no model had a part in it.
    editor : str
        Who corrected or drew it; empty for a prediction.
    software_version : str
        Of this program; the installed one if left out.
    """

    how: MaskHow
    model_version: str = ""
    editor: str = ""
    software_version: str = ""

    @property
    def software(self) -> str:
        """Version of the program, as it is written."""
        if self.software_version:
            return self.software_version
        from napari_brainseg import __version__

        return str(__version__)
