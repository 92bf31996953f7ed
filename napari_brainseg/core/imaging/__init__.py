"""What an image is. numpy only."""

from napari_brainseg.core.imaging.errors import (
    BrainSegError,
    CancelledError,
    ConfigError,
    DataError,
    ModelError,
)
from napari_brainseg.core.imaging.geometry import Geometry
from napari_brainseg.core.imaging.modality import KAGGLE_ORDER, Modality
from napari_brainseg.core.imaging.study import Study
from napari_brainseg.core.imaging.volume import LabelVolume, ScalarVolume

__all__ = [
    "KAGGLE_ORDER",
    "BrainSegError",
    "CancelledError",
    "ConfigError",
    "DataError",
    "Geometry",
    "LabelVolume",
    "Modality",
    "ModelError",
    "ScalarVolume",
    "Study",
]
