"""Which elements of a header count, and what they are called in `HeaderRecord` (PS3.6)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FORMATS", "IN_GROUPS", "LENGTHS", "TAGS", "VRS", "Entry"]


class Entry(NamedTuple):
    """Name of an element, and ``text``, ``texts``, ``int``, ``float`` or ``floats``."""

    name: str
    kind: str


TAGS: dict[int, Entry] = {
    0x00020010: Entry("transfer_syntax_uid", "text"),
    0x00080008: Entry("image_type", "texts"),
    0x00080016: Entry("sop_class_uid", "text"),
    0x00080018: Entry("sop_instance_uid", "text"),
    0x00080020: Entry("study_date", "text"),
    0x00080021: Entry("series_date", "text"),
    0x00080022: Entry("acquisition_date", "text"),
    0x00080030: Entry("study_time", "text"),
    0x00080032: Entry("acquisition_time", "text"),
    0x00080033: Entry("content_time", "text"),
    0x00080060: Entry("modality", "text"),
    0x00089208: Entry("complex_component", "text"),
    0x00089209: Entry("acquisition_contrast", "text"),
    0x00081030: Entry("study_description", "text"),
    0x0008103E: Entry("series_description", "text"),
    0x00100010: Entry("patient_name", "text"),
    0x00100020: Entry("patient_id", "text"),
    0x00100021: Entry("patient_issuer", "text"),
    0x00100030: Entry("birth_date", "text"),
    0x00180010: Entry("contrast_agent", "text"),
    0x00180015: Entry("body_part", "text"),
    0x00180020: Entry("scanning_sequence", "texts"),
    0x00180021: Entry("sequence_variant", "texts"),
    0x00180023: Entry("acquisition_type", "text"),
    0x00180024: Entry("sequence_name", "text"),
    0x00180050: Entry("slice_thickness_mm", "float"),
    0x00180080: Entry("repetition_time_ms", "float"),
    0x00180081: Entry("echo_time_ms", "float"),
    0x00180082: Entry("inversion_time_ms", "float"),
    0x00180086: Entry("echo_number", "int"),
    0x00180088: Entry("slice_spacing_mm", "float"),
    0x00180091: Entry("echo_train_length", "int"),
    0x00181030: Entry("protocol_name", "text"),
    0x00181042: Entry("contrast_start_time", "text"),
    0x00181060: Entry("trigger_time_ms", "float"),
    0x00181314: Entry("flip_angle_deg", "float"),
    0x00189005: Entry("sequence_name", "text"),
    0x00189087: Entry("b_value", "float"),
    # Siemens' and GE's own, from before there was a standard element.
    0x0019100C: Entry("b_value", "float"),
    0x00431039: Entry("b_value", "float"),
    # GE's own: 0 magnitude, 1 phase, 2 real, 3 imaginary.
    0x0043102F: Entry("ge_component", "int"),
    0x0020000D: Entry("study_uid", "text"),
    0x0020000E: Entry("series_uid", "text"),
    0x00200011: Entry("series_number", "int"),
    0x00200012: Entry("acquisition_number", "int"),
    0x00200013: Entry("instance_number", "int"),
    0x00200032: Entry("position", "floats"),
    0x00200037: Entry("orientation", "floats"),
    0x00200052: Entry("frame_of_reference_uid", "text"),
    0x00200100: Entry("temporal_position", "int"),
    0x00201041: Entry("location_mm", "float"),
    0x00209161: Entry("concatenation_uid", "text"),
    0x00280002: Entry("samples_per_pixel", "int"),
    0x00280004: Entry("photometric", "text"),
    0x00280008: Entry("frames", "int"),
    0x00280010: Entry("rows", "int"),
    0x00280011: Entry("columns", "int"),
    0x00280030: Entry("pixel_spacing_mm", "floats"),
    0x00280100: Entry("bits_allocated", "int"),
}

IN_GROUPS: dict[str, tuple[str, str, str]] = {
    "orientation": ("PlaneOrientationSequence", "ImageOrientationPatient", "floats"),
    "position": ("PlanePositionSequence", "ImagePositionPatient", "floats"),
    "pixel_spacing_mm": ("PixelMeasuresSequence", "PixelSpacing", "floats"),
    "slice_thickness_mm": ("PixelMeasuresSequence", "SliceThickness", "float"),
    "slice_spacing_mm": ("PixelMeasuresSequence", "SpacingBetweenSlices", "float"),
    "echo_time_ms": ("MREchoSequence", "EffectiveEchoTime", "float"),
    "repetition_time_ms": ("MRTimingAndRelatedParametersSequence", "RepetitionTime", "float"),
    "inversion_time_ms": ("MRModifierSequence", "InversionTimes", "float"),
    "b_value": ("MRDiffusionSequence", "DiffusionBValue", "float"),
}
"""Of multi-frame files: name to functional group, attribute in it, and kind (PS3.3, C.7.6.16.2 and
C.8.13.5)."""

FORMATS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"
}  # fmt: skip
"""Letters of `struct` for binary value representations (PS3.5, 6.2)."""
VRS = {
    0x00280002: "US",
    0x00280010: "US",
    0x00280011: "US",
    0x00280100: "US",
    0x00189087: "FD",
    0x0043102F: "SS",
}
"""Value representations of binary elements, which implicit files do not tell."""
LENGTHS = {"position": 3, "orientation": 6, "pixel_spacing_mm": 2}
"""How many numbers there have to be."""
