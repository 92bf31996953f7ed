"""Masks as DICOM segmentations, on the grid of the series that they were drawn on.

Codes. Category: SCT 49755003 "Morphologically Altered Structure" (context group CID 7150). Type:
SCT 108369006 "Neoplasm" with SCT 79654002 "Edema" as its modifier, both of CID 7159 "Lesion
Segmentation Types", in the anatomic region SCT 12738006 "Brain": what is outlined is the FLAIR
abnormality of a glioma, tumour together with the oedema around it. SNOMED CT has "Neoplasm of
brain" (126952004) and "Cerebral edema" (2032001) in one code each, but those are disorders; DICOM
wants the morphology as type and the place as region (PS3.3, C.8.20.2; PS3.16, CID 7150 and 7159).

The object belongs to the patient's study and carries the patient and study modules of its source.
"""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.formats.dicom.quiet import quiet
from napari_brainseg.core.imaging import DataError, StudyFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydicom import Dataset

    from napari_brainseg.core.formats.dicom.source_planes import SourcePlane
    from napari_brainseg.core.formats.mask_kinds import MaskMaker
    from napari_brainseg.core.imaging import SourceGrid, Study

__all__ = ["SEGMENT_LABEL", "encode_segmentation"]

SEGMENT_LABEL = "FLAIR abnormality"
"""Of the one segment, and its tracking identifier."""
_DESCRIPTION = "Glioma with surrounding edema on FLAIR"
_CONTENT_LABEL = "FLAIR_ABNORMAL"
_LEVELS = 255
"""Steps of a probability: Maximum Fractional Value."""
_SERIES = {
    "AUTOMATIC": "BrainSeg prediction",
    "SEMIAUTOMATIC": "BrainSeg corrected prediction",
    "MANUAL": "BrainSeg manual segmentation",
}
_SERIES_NUMBER = 9000
"""Added to the number of the source series, so that masks stand behind the images in a list."""
_TRACKING = uuid.UUID("8f7c5d0e-4f0b-5c3e-9d1a-6c2b7a90e1f4")
_SHOWN = 8


def encode_segmentation(
    study: Study, data: NDArray[Any], maker: MaskMaker, *, fractional: bool = False
) -> bytes:
    """Encode a mask of a DICOM study as a segmentation, slice by slice of its source series.

    Slices without lesion are left out, unless no slice has any. Content is the same for the same
    mask, apart from new UIDs and the time of creation.

    Parameters
    ----------
    study : Study
        Read from DICOM; the mask lies on its grid.
    data : ndarray, shape (Z, Y, X)
        Upright. A mask (0 and 1), or for `fractional` a probability from 0 to 1.
    maker : MaskMaker
        Who or what made it.
    fractional : bool
        Write probabilities, in 255 steps, in place of a binary mask.

    Returns
    -------
    bytes
        A DICOM file.

    Raises
    ------
    DataError
        If the study is not DICOM, has no place in space, a source file cannot be read, or the mask
        has lesion where a slice of the source is missing.
    """
    from napari_brainseg.core.formats.dicom.source_planes import refer_to, source_planes

    grid = _source_of(study)
    if data.shape != study.image.grid_shape:
        raise DataError(
            f"The mask has shape {data.shape}, the study {study.image.grid_shape}.",
            "Give the mask on the grid of the study.",
        )
    stored = np.ascontiguousarray(grid.reorientation.undo(data))
    levels = _levels(stored) if fractional else (stored != 0).astype(np.uint8)
    _require_sources(levels, grid, least=(_LEVELS + 1) // 2 if fractional else 1)
    there = [index for index, frame in enumerate(grid.frames) if frame is not None]
    levels = levels[there]
    buffer = io.BytesIO()
    with quiet():
        # The patient module is the source's: what is odd in it is passed on, not put right.
        planes = source_planes(grid, there)
        try:
            dataset = _segmentation(planes, levels, maker, fractional)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"The headers of {grid.path} do not make a DICOM segmentation: {error}.",
                "Export the mask as NIfTI.",
            ) from error
        refer_to(dataset, planes)
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _source_of(study: Study) -> SourceGrid:
    """Return how the series of a study stores its grid."""
    grid = study.grid
    if study.format is not StudyFormat.DICOM or grid is None:
        raise DataError(
            f"{study.patient} is a {study.format} study: a DICOM segmentation refers to the DICOM "
            "images that it was drawn on.",
            "Open the patient's DICOM series, or export the mask as NIfTI or TIFF.",
        )
    if grid.affine_lps is None or len(grid.frames) != grid.shape[0]:
        raise DataError(
            f"The series of {study.patient} does not say where its slices lie, so a DICOM "
            "segmentation cannot refer to them.",
            "Export the mask as NIfTI or TIFF.",
        )
    return grid


def _levels(probability: NDArray[Any]) -> NDArray[np.uint8]:
    """Round probabilities to the steps of the file; 0.5 and over stays so."""
    values = np.asarray(probability, np.float32)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise DataError(
            f"Probabilities reach from {values.min():.3g} to {values.max():.3g}; they must lie "
            "between 0 and 1.",
            "Give the probability of the prediction.",
        )
    return np.rint(values * _LEVELS).astype(np.uint8)


def _require_sources(levels: NDArray[np.uint8], grid: SourceGrid, *, least: int) -> None:
    """Raise where lesion lies on slices that no file holds."""
    lost = [
        index
        for index, frame in enumerate(grid.frames)
        if frame is None and (levels[index] >= least).any()
    ]
    if not lost and any(frame is not None for frame in grid.frames):
        return
    numbers = sorted(_shown_slice(index, grid) for index in lost)
    named = ", ".join(str(n) for n in numbers[:_SHOWN]) + (", ..." if len(lost) > _SHOWN else "")
    raise DataError(
        f"The mask has lesion on {'slice' if len(lost) == 1 else 'slices'} {named}, which the "
        "series lacks: a DICOM segmentation cannot refer to images that are not there.",
        "Clear these slices, or export the mask as NIfTI.",
    )


def _shown_slice(index: int, grid: SourceGrid) -> int:
    """Count a stored slice as the window does, where its slices are the stored ones."""
    axes, flips = grid.reorientation.axes, grid.reorientation.flips
    return grid.shape[0] - index if axes[0] == 0 and flips[0] else index + 1


def _segmentation(
    planes: Sequence[SourcePlane],
    levels: NDArray[np.uint8],
    maker: MaskMaker,
    fractional: bool,
) -> Dataset:
    import highdicom as hd

    source = planes[0].header
    series = _series_number(source)
    return hd.seg.Segmentation(
        source_images=[plane.header for plane in planes],
        pixel_array=levels / np.float32(_LEVELS) if fractional else levels,
        segmentation_type="FRACTIONAL" if fractional else "BINARY",
        segment_descriptions=[_segment(source, maker)],
        series_instance_uid=hd.UID(),
        series_number=series,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="BrainSeg",
        manufacturer_model_name="napari-brainseg",
        software_versions=maker.software,
        device_serial_number="0",
        fractional_type="PROBABILITY",
        max_fractional_value=_LEVELS,
        content_description=_DESCRIPTION,
        content_creator_name=_person_name(maker.editor),
        content_label=_CONTENT_LABEL,
        # An object must have frames: a mask without lesion keeps all of them, blank.
        omit_empty_frames=bool(levels.any()),
        series_description=_SERIES[maker.how],
        specific_character_set=_character_set(source, maker),
    )


def _segment(source: Dataset, maker: MaskMaker) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    algorithm = None
    if maker.how != "MANUAL":
        algorithm = hd.AlgorithmIdentificationSequence(
            name="BrainSeg",
            family=codes.DCM.ArtificialIntelligence,
            version=maker.model_version[:64] or "unknown",
            source="napari-brainseg",
        )
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=SEGMENT_LABEL,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type=maker.how,
        algorithm_identification=algorithm,
        # The same lesion of the same series, whoever outlined it and however often.
        tracking_uid=f"2.25.{uuid.uuid5(_TRACKING, str(source.SeriesInstanceUID)).int}",
        tracking_id=SEGMENT_LABEL,
        anatomic_regions=[codes.SCT.Brain],
        # Sky blue #56B4E9, the colour of corrections; vermilion #D55E00, that of predictions.
        display_color=hd.color.CIELabColor.from_rgb(
            *((213, 94, 0) if maker.how == "AUTOMATIC" else (86, 180, 233))
        ),
    )
    (kind,) = segment.SegmentedPropertyTypeCodeSequence
    kind.SegmentedPropertyTypeModifierCodeSequence = [hd.sr.CodedConcept.from_code(codes.SCT.Edema)]
    return segment


def _series_number(source: Dataset) -> int:
    try:
        number = int(source.get("SeriesNumber") or 0)
    except (TypeError, ValueError):
        number = 0
    return _SERIES_NUMBER + max(0, min(number, 10**6))


def _person_name(editor: str) -> str | None:
    """Write a name as DICOM does, family name first (PS3.5, 6.2); ``None`` where there is none."""
    words = "".join(" " if c in "\\^=" or ord(c) < 32 else c for c in editor).split()
    if not words:
        return None
    family, given = words[-1], " ".join(words[:-1])
    return f"{family}^{given}"[:64]


def _character_set(source: Dataset, maker: MaskMaker) -> str | list[str] | None:
    """Keep the source's character set, unless it lacks letters of the editor's name."""
    given = source.get("SpecificCharacterSet")
    if given is None and maker.editor.isascii():
        return None
    return "ISO_IR 192"
