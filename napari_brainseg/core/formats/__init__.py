"""Bytes to volumes and back: what a folder holds, and its slices as one study."""

from napari_brainseg.core.formats.discovery import (
    Discovery,
    Fault,
    discover,
    is_study_path,
    open_again,
)
from napari_brainseg.core.formats.kaggle3m import StudyFolder
from napari_brainseg.core.formats.loading import load_masks, load_study
from napari_brainseg.core.formats.names import undated
from napari_brainseg.core.formats.patient_list import read_patient_list

__all__ = [
    "Discovery",
    "Fault",
    "StudyFolder",
    "discover",
    "is_study_path",
    "load_masks",
    "load_study",
    "open_again",
    "read_patient_list",
    "undated",
]
