"""Masks of a case to files: which are there, who made them, under which name they go.

Thread-safety: every function may be called from any thread. Writing takes up to a second: not for
the thread that paints.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_brainseg.core.dataset.masks import (
    mask_file_name,
    mask_record,
    why_not,
    write_mask,
)
from napari_brainseg.core.formats.masks import MaskFormat, MaskMaker
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.correction import Correction

__all__ = ["WhichMask", "export_mask", "maker_of", "masks_of", "why_not_export"]

WhichMask = Literal["correction", "prediction", "truth"]
"""A mask of a case."""

_FILE_ENDINGS = (".nii.gz", ".nii", ".dcm")
_MOST_NUMBERS = 10_000


def masks_of(case: Case) -> tuple[WhichMask, ...]:
    """Name the masks that a case has now, the one most worth handing on first."""
    found: list[WhichMask] = []
    if case.correction is not None:
        found.append("correction")
    if case.prediction is not None:
        found.append("prediction")
    if case.truth is not None:
        found.append("truth")
    return tuple(found)


def why_not_export(case: Case, which: WhichMask, format: MaskFormat) -> str:
    """Say for the reader why a mask cannot be written in a format; empty if it can."""
    if format is MaskFormat.DICOM_SEG_FRACTIONAL and which != "prediction":
        return "Only a prediction has probabilities."
    return why_not(case.study, format)


def maker_of(case: Case, which: WhichMask, *, is_approved: bool = False) -> MaskMaker:
    """Tell who or what made a mask.

    A correction is semi-automatic as soon as a model had a part in it: it started from a
    prediction, or a tool took voxels from one. One that started from a prediction and was neither
    painted on nor approved is that prediction.

    Parameters
    ----------
    case : Case
        Whose mask.
    which : {"correction", "prediction", "truth"}
        Which one; it must be there.
    is_approved : bool
        Whether a person approved the correction as it is.

    Raises
    ------
    DataError
        If the case has no such mask.
    """
    if which == "truth":
        return MaskMaker("MANUAL")
    if which == "prediction":
        prediction = case.prediction
        if prediction is None:
            raise _missing(case, which)
        return MaskMaker("AUTOMATIC", prediction.model_version)
    correction = case.correction
    if correction is None:
        raise _missing(case, which)
    version = _model_of(correction)
    standing = [action for action in correction.actions() if action.state == "done"]
    editor = standing[-1].editor if standing else correction.editor
    if not version:
        return MaskMaker("MANUAL", "", editor)
    if not standing and not is_approved:
        return MaskMaker("AUTOMATIC", version)
    return MaskMaker("SEMIAUTOMATIC", version, editor)


def export_mask(
    case: Case,
    dest: Path | str,
    which: WhichMask,
    format: MaskFormat,
    *,
    catalogue: Catalogue | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a mask of a case.

    Parameters
    ----------
    case : Case
        Open or not.
    dest : Path or str
        A folder: the name is made from patient, date and `which`. Or a file (``.nii``,
        ``.nii.gz``, ``.dcm``) to be written.
    which : {"correction", "prediction", "truth"}
        Which mask; of a correction what was committed.
    format : MaskFormat
        Fractional: the probabilities of a prediction.
    catalogue : Catalogue, optional
        Asked when the mask was approved.
    overwrite : bool
        Replace a file of that name. Otherwise a number is put behind it.

    Returns
    -------
    Path
        File, or folder of TIFF slices; a JSON file with the mask's origin lies beside the first
        and in the second. DICOM holds its origin itself.

    Raises
    ------
    DataError
        If there is no such mask, the format is not for it, or the place cannot be written or is
        that of the images.
    """
    reason = why_not_export(case, which, format)
    if reason:
        raise DataError(f"{case.patient}: {reason}", "Choose another format.")
    data = _mask_of(case, which)
    approved = ""
    if catalogue is not None and which == "correction":
        approved = _approved(catalogue, case, data)
    maker = maker_of(case, which, is_approved=bool(approved))
    record = mask_record(case.study, data, maker, which=which, approved=approved)
    written: NDArray[Any] = data
    if format is MaskFormat.DICOM_SEG_FRACTIONAL:
        prediction = case.prediction
        assert prediction is not None
        written = prediction.probability
    return write_mask(
        _place(Path(dest), case, which, format, overwrite=overwrite),
        case.study,
        written,
        format,
        maker=maker,
        overwrite=overwrite,
        record=record,
    )


def _mask_of(case: Case, which: WhichMask) -> NDArray[np.uint8]:
    data: NDArray[np.uint8] | None = None
    if which == "truth":
        data = case.truth
    elif which == "prediction" and case.prediction is not None:
        data = (case.prediction.mask != 0).astype(np.uint8)
    elif which == "correction" and case.correction is not None:
        data = case.correction.saved
    if data is None:
        raise _missing(case, which)
    return data


def _missing(case: Case, which: WhichMask) -> DataError:
    hints = {
        "correction": "Start a correction first.",
        "prediction": "Predict this patient first.",
        "truth": "Choose another mask.",
    }
    named = "ground truth" if which == "truth" else which
    return DataError(f"{case.patient} has no {named} to export.", hints[which])


def _model_of(correction: Correction) -> str:
    """Version of the model that had a part in a correction; empty without one."""
    if correction.base == "prediction":
        return correction.base_version or "unknown"
    for action in reversed(correction.actions()):
        version = action.parameters.get("model_version") if action.state == "done" else None
        if version:
            return str(version)
    return ""


def _approved(catalogue: Catalogue, case: Case, mask: NDArray[np.uint8]) -> str:
    """When this very mask was approved, ISO 8601 in UTC; empty if it was not."""
    from napari_brainseg.core.dataset.hashing import sha256_of_arrays
    from napari_brainseg.session.review_log import ReviewAct, reviews_of

    decisions = [r for r in reviews_of(catalogue, case.id) if r.act is not ReviewAct.ASK]
    last = decisions[-1] if decisions else None
    if last is None or last.act is not ReviewAct.APPROVE:
        return ""
    if last.mask_sha256 != sha256_of_arrays(mask):
        return ""
    return datetime.fromtimestamp(last.created, UTC).isoformat(timespec="seconds")


def _place(
    dest: Path, case: Case, which: WhichMask, format: MaskFormat, *, overwrite: bool
) -> Path:
    """Choose a name that is free, unless it may be overwritten."""
    is_file = format is not MaskFormat.TIFF and dest.name.lower().endswith(_FILE_ENDINGS)
    for number in range(1, _MOST_NUMBERS):
        if is_file:
            path = dest if number == 1 else _numbered(dest, number)
        else:
            path = dest / mask_file_name(case.patient, which, format, number)
        if overwrite or not path.exists():
            return path
    raise DataError(
        f"{dest} holds {_MOST_NUMBERS - 1} masks of {case.patient} already.",
        "Choose another folder.",
    )


def _numbered(path: Path, number: int) -> Path:
    name = path.name
    ending = next(e for e in _FILE_ENDINGS if name.lower().endswith(e))
    return path.with_name(f"{name[: -len(ending)]}_{number}{name[-len(ending) :]}")
