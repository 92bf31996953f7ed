"""What a report of one patient says; how it looks is in `patient_report_html` and `_pdf`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_brainseg import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.core.reporting.follow_up import FollowUp
    from napari_brainseg.core.segmentation.diameters import Bidimensional

__all__ = [
    "Agreement",
    "Basis",
    "KeySlice",
    "Lesion",
    "MeasurementLine",
    "ModelFacts",
    "PatientReport",
    "SignOff",
    "Work",
]


class Basis(StrEnum):
    """What the figures stand on; the value is said to readers."""

    APPROVED = "approved correction"
    CORRECTION = "correction, not approved"
    CHANGED = "correction, changed since its approval"
    PREDICTION = "prediction, not checked by a person"
    TRUTH = "ground truth of the files"


@dataclass(frozen=True, slots=True)
class Lesion:
    """Figures of the mask that the report stands on.

    Parameters
    ----------
    voxels : int
        Lesion voxels.
    ml : float or None
        Their volume in millilitres, ``None`` where the spacing is unknown.
    components : int
        Islands of voxels that share faces.
    slices : int
        Slices with lesion.
    of_slices : int
        Slices of the study.
    diameters : Bidimensional or None
        ``None`` where there is no lesion.
    """

    voxels: int
    ml: float | None
    components: int
    slices: int
    of_slices: int
    diameters: Bidimensional | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two masks agree.

    Parameters
    ----------
    of : str
        What is compared with the ground truth, e.g. ``correction``.
    dsc : float
    hd95 : float
        NaN where only one of the two masks is empty.
    unit : str
        Of `hd95`: ``mm``, or ``vox`` where the spacing is unknown.
    """

    of: str
    dsc: float
    hd95: float
    unit: str


@dataclass(frozen=True, slots=True)
class KeySlice:
    """A slice worth a look.

    Parameters
    ----------
    index : int
        Along z, from 0.
    why : tuple of str
        Why it was chosen.
    picture : bytes
        JPEG or PNG, outlines drawn in.
    width_px, height_px : int
        Of the picture.
    """

    index: int
    why: tuple[str, ...]
    picture: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The prediction at hand; what is not known is ``None``.

    Parameters
    ----------
    version : str
        Of the model.
    engine : str
        E.g. ``OpenVINO on CPU``.
    uncertainty : float or None
        Mean binary entropy near the predicted outline in bits, 0 (sure) to 1 (cannot tell).
    disagreement : float or None
        1 - DSC between the masks with and without the mirrored view.
    """

    version: str
    engine: str = ""
    uncertainty: float | None = None
    disagreement: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What people did to the mask.

    Parameters
    ----------
    base : str
        What they started from: ``prediction``, ``truth`` or ``empty``.
    base_version : str or None
        Model version of that prediction.
    editors : tuple of str
        Who corrected, in the order of their first stroke.
    strokes : int
        Strokes in force.
    seconds : float
        Time spent on editing, pauses left out.
    started, last : datetime or None
        Begin of the correction; its last stroke.
    added_vox, removed_vox : int
        Against the mask that they started from.
    """

    base: str
    base_version: str | None
    editors: tuple[str, ...]
    strokes: int
    seconds: float
    started: datetime | None = None
    last: datetime | None = None
    added_vox: int = 0
    removed_vox: int = 0


@dataclass(frozen=True, slots=True)
class SignOff:
    """What was decided of the case last.

    Parameters
    ----------
    act : str
        ``approved``, ``rejected`` or ``second reader asked for``.
    by : str
        Who.
    at : datetime
        When.
    second_reader : str or None
        Who read it as well.
    note : str
        In words.
    """

    act: str
    by: str
    at: datetime
    second_reader: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class MeasurementLine:
    """Something a person measured in the image.

    Parameters
    ----------
    kind : str
        ``ruler`` or ``area``.
    label : str
        As the person called it; may be empty.
    value : float
    unit : str
        ``mm``, ``px``, ``mm2`` or ``px2``.
    plane : str
        Where, e.g. ``axial slice 12``.
    """

    kind: str
    label: str
    value: float
    unit: str
    plane: str


@dataclass(frozen=True, slots=True)
class PatientReport:
    """A report of one patient.

    Parameters
    ----------
    patient : str
        Name of the study: a pseudonym for DICOM.
    basis : Basis
        What the figures stand on.
    lesion : Lesion
    heading : str
        What the user wants on top, e.g. the department's name.
    identity : mapping of str to str
        Who the patient is; empty unless the user asked for it.
    study_date : str
        ``2001-02-08``; empty where unknown.
    attributes : mapping of str to str
        Harmless facts of patient and scan.
    key_slices : tuple of KeySlice
        In the order of the slices.
    outlines : tuple of str
        Masks that the key slices show: ``truth``, ``prediction``, ``correction``.
    agreements : tuple of Agreement
        With the ground truth, where there is one.
    model : ModelFacts or None
        The prediction at hand.
    work : Work or None
        The correction, where there is one.
    sign_off : SignOff or None
        The decision on it.
    measurements : tuple of MeasurementLine
    follow_up : FollowUp or None
        Volume over time, where the patient has several studies.
    source : tuple of (str, str)
        Name and value of what the study was read from.
    warnings : tuple of str
        What a reader should know.
    spacing_mm : tuple of float or None
        Of voxels along z, y and x.
    has_orientation : bool
        Whether right and left of the patient are known.
    modality : str
        That the key slices show.
    created : datetime
        When the report was made.
    software_version : str
    """

    patient: str
    basis: Basis
    lesion: Lesion
    heading: str = ""
    identity: Mapping[str, str] = field(default_factory=dict)
    study_date: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    key_slices: tuple[KeySlice, ...] = ()
    outlines: tuple[str, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    model: ModelFacts | None = None
    work: Work | None = None
    sign_off: SignOff | None = None
    measurements: tuple[MeasurementLine, ...] = ()
    follow_up: FollowUp | None = None
    source: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    spacing_mm: tuple[float, float, float] | None = None
    has_orientation: bool = False
    modality: str = "FLAIR"
    created: datetime = field(default_factory=lambda: datetime.now().astimezone())
    software_version: str = __version__
