"""What scripts and notebooks need, in one place.

``from napari_brainseg import api``: open patients of any format, predict, measure, write masks,
pictures and other formats. Needs neither napari nor Qt, and no screen but for `show_interactive`.
Docstrings tell shapes, dtypes and units; faults a user can meet are `BrainSegError`. The page
``docs/how-to/python.md`` shows how these go together.
"""

from __future__ import annotations

from napari_brainseg.core.dataset.convert import ConversionReport, convert
from napari_brainseg.core.dataset.convert_back import convert_back
from napari_brainseg.core.dataset.masks import write_mask
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.formats import Discovery, StudyFolder, discover, load_study
from napari_brainseg.core.formats.masks import MaskFormat, MaskMaker, read_mask
from napari_brainseg.core.imaging import (
    BrainSegError,
    DataError,
    LabelVolume,
    Modality,
    ScalarVolume,
    Study,
)
from napari_brainseg.core.reporting.interactive import show_interactive
from napari_brainseg.core.reporting.study_pictures import PictureKind, write_pictures
from napari_brainseg.core.segmentation.bundle import Bundle, bundled_models, load_bundle
from napari_brainseg.core.segmentation.inference import Prediction
from napari_brainseg.core.segmentation.metrics import dsc, hd95_mm, hd95_vox, volume
from napari_brainseg.core.segmentation.predictor import Predictor

__all__ = [
    "BrainSegError",
    "Bundle",
    "ConversionReport",
    "DataError",
    "Discovery",
    "LabelVolume",
    "MaskFormat",
    "MaskMaker",
    "Modality",
    "PictureKind",
    "Prediction",
    "Predictor",
    "ScalarVolume",
    "Study",
    "StudyFolder",
    "bundled_models",
    "convert",
    "convert_back",
    "discover",
    "dsc",
    "hd95_mm",
    "hd95_vox",
    "load_bundle",
    "load_study",
    "phantom_study",
    "read_mask",
    "show_interactive",
    "volume",
    "write_mask",
    "write_pictures",
]
