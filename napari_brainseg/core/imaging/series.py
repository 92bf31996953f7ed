"""What a study is made of: the series or files that it can be put together from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.imaging.modality import Modality
    from napari_brainseg.core.imaging.orientation import Affine, Reorientation

__all__ = ["FrameRef", "SeriesInfo", "SourceGrid", "StudyFormat"]


class StudyFormat(StrEnum):
    """Format of a patient's files; the value is the name shown to users."""

    KAGGLE_3M = "kaggle_3m"
    NIFTI = "NIfTI"
    DICOM = "DICOM"


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One series of a patient, as headers and names tell; no pixels were read.

    Parameters
    ----------
    key : str
        Names it within the patient: the SeriesInstanceUID, or the name of a NIfTI file, with
        ``#2`` for the third volume of a 4D file.
    description : str
        What people call it, e.g. ``AX T2 FLAIR``.
    files : tuple of Path
        Its files; of a DICOM series in the order of their positions where that is known.
    role : Modality or None
        The sequence that it was recognised as.
    why : str
        What it was recognised by, e.g. ``description says FLAIR``; or why not.
    slices : int
        Number of slices; 0 where it is not known without pixels.
    details : str
        Facts that help to choose, e.g. ``TE 125 ms, TI 2500 ms, 0.45 x 0.45 x 5 mm``.
    is_mask : bool
        Whether it holds a mask (a NIfTI segmentation, a DICOM segmentation) and no image.
    part : int or None
        Which of several volumes in a multi-frame DICOM file, from 0; ``None`` for all of it.
    """

    key: str
    description: str
    files: tuple[Path, ...]
    role: Modality | None = None
    why: str = ""
    slices: int = 0
    details: str = ""
    is_mask: bool = False
    part: int | None = None


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One stored slice of a DICOM series.

    Parameters
    ----------
    path : Path
        File that holds it.
    sop_instance_uid : str
        Of that file.
    frame : int
        Index of the frame in the file, from 0.
    """

    path: Path
    sop_instance_uid: str
    frame: int = 0


@dataclass(frozen=True, slots=True)
class SourceGrid:
    """How the files store the grid that a study shows upright.

    Parameters
    ----------
    shape : tuple of int, length 3
        Of the stored array: (slices, rows, columns) in DICOM, (i, j, k) in NIfTI.
    affine_lps : Affine or None
        From stored index to LPS in millimetres.
    reorientation : Reorientation
        From the stored order to the upright one.
    path : Path or None
        File or folder of the reference series.
    frames : tuple of FrameRef or None
        DICOM only: for each index of the first stored axis the frame; ``None`` where a slice was
        missing and a blank one stands in for it.
    series_uid : str
        SeriesInstanceUID of the reference series; empty for other formats.
    """

    shape: tuple[int, int, int]
    affine_lps: Affine | None
    reorientation: Reorientation
    path: Path | None = None
    frames: tuple[FrameRef | None, ...] = ()
    series_uid: str = ""
