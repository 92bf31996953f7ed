"""What an image is. numpy only."""

from napari_brainseg.core.imaging.eight_bit import EightBit, eight_bit
from napari_brainseg.core.imaging.errors import (
    BrainSegError,
    CancelledError,
    ConfigError,
    DataError,
    ModelError,
)
from napari_brainseg.core.imaging.geometry import Geometry
from napari_brainseg.core.imaging.modality import KAGGLE_ORDER, Modality
from napari_brainseg.core.imaging.orientation import AS_STORED, Affine, Reorientation, upright
from napari_brainseg.core.imaging.series import FrameRef, SeriesInfo, SourceGrid, StudyFormat
from napari_brainseg.core.imaging.study import Study
from napari_brainseg.core.imaging.volume import LabelVolume, ScalarVolume

__all__ = [
    "AS_STORED",
    "KAGGLE_ORDER",
    "Affine",
    "BrainSegError",
    "CancelledError",
    "ConfigError",
    "DataError",
    "EightBit",
    "FrameRef",
    "Geometry",
    "LabelVolume",
    "Modality",
    "ModelError",
    "Reorientation",
    "ScalarVolume",
    "SeriesInfo",
    "SourceGrid",
    "Study",
    "StudyFormat",
    "eight_bit",
    "upright",
]
