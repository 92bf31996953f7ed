"""A patient as the worklist shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["WorklistRow"]


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """A line of the worklist; what is not known is `None`.

    Parameters
    ----------
    patient : str
        Name of the study; that of the folder where it cannot be read.
    path : Path
        The patient's folder.
    slices : int
        Number of slices, 0 where the folder cannot be read.
    missing : tuple of str, optional
        Modalities that are absent; `None` until the pixels were looked at.
    status : str
        Value of `CaseStatus`, e.g. "new", "in progress" or "approved".
    volume_vox, volume_ml : int, float, optional
        Of the predicted lesion; millilitres where spacing is known.
    dsc : float, optional
        Of the prediction against ground truth.
    hd95, hd95_unit : float, str, optional
        Of the prediction against ground truth, in ``mm`` or ``vox``.
    uncertainty : float, optional
        Mean binary entropy near the predicted outline, in bits.
    disagreement : float, optional
        1 - DSC between the masks with and without the mirrored view.
    model_version : str, optional
        Model of the figures above.
    is_stale : bool
        That model is not the one in use: there is no prediction by the model in use yet.
    editor : str, optional
        Who corrected last.
    seconds : float
        Time spent on the case.
    attributes : mapping of str to str
        Row of ``data.csv``.
    fault, hint : str, optional
        Why the patient cannot be read, and the mend.
    vanished : bool
        Known from before, but no longer in the folder.
    open_elsewhere : str, optional
        Who has the case open in another window, in words.
    has_truth : bool
        Whether the files come with ground truth.
    opened : float, optional
        When it was opened last, Unix seconds.
    asked_by : str, optional
        Who asks for a second reader, where the status is "second reader".
    person : str
        What DICOM files call the patient; for the window only.
    """

    patient: str
    path: Path
    slices: int = 0
    missing: tuple[str, ...] | None = None
    status: str = "new"
    volume_vox: int | None = None
    volume_ml: float | None = None
    dsc: float | None = None
    hd95: float | None = None
    hd95_unit: str | None = None
    uncertainty: float | None = None
    disagreement: float | None = None
    model_version: str | None = None
    is_stale: bool = False
    editor: str | None = None
    seconds: float = 0.0
    attributes: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    hint: str | None = None
    vanished: bool = False
    open_elsewhere: str | None = None
    has_truth: bool = False
    opened: float | None = None
    asked_by: str | None = None
    person: str = field(default="", repr=False)
