"""Formats of masks as they are typed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_brainseg.core.formats.masks import MaskFormat

__all__ = ["MaskOption"]


class MaskOption(StrEnum):
    """Value of the option `--format`."""

    TIFF = "tiff"
    NIFTI = "nifti"
    SEG = "seg"
    SEG_FRACTIONAL = "seg-fractional"

    @property
    def format(self) -> MaskFormat:
        """The format that it stands for."""
        from napari_brainseg.core.formats.masks import MaskFormat

        return {
            MaskOption.TIFF: MaskFormat.TIFF,
            MaskOption.NIFTI: MaskFormat.NIFTI,
            MaskOption.SEG: MaskFormat.DICOM_SEG,
            MaskOption.SEG_FRACTIONAL: MaskFormat.DICOM_SEG_FRACTIONAL,
        }[self]
